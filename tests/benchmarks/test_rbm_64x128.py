"""CD-1 on 1,300 digits of 64 cells, 128 hidden units."""

from race import Bound, Race, one_each
from rbm_runners import bare_products, jax_cd, ours, reconstruction, sklearn_pcd, textbook, torch_cd

SIZE = (8, 1300, 128)  # side, rows, hidden units


def race() -> Race:
    return Race(
        name="RBM CD-1, 64×128",
        work="100 epochs of 13 batches of 100",
        amount=100,
        few=16,
        statistic=reconstruction(*SIZE[:2]),
        runners=tuple(make(*SIZE) for make in (ours, textbook, jax_cd, torch_cd, sklearn_pcd, bare_products)),
        bounds=(Bound("PyTorch", 1.25, 1.6), Bound("JAX", 1.25, 1.6), Bound("scikit-learn", 3)),
    )


def test_rbm_of_64_by_128(benchmark):
    one_each(benchmark, race)
