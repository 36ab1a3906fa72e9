"""CD-1 on 2,000 enlarged digits of 784 cells, 500 hidden units."""

from race import Bound, Race, one_each
from rbm_runners import bare_products, jax_cd, ours, reconstruction, sklearn_pcd, textbook, torch_cd

SIZE = (28, 2000, 500)  # side, rows, hidden units


def race() -> Race:
    return Race(
        name="RBM CD-1, 784×500",
        work="10 epochs of 20 batches of 100",
        amount=10,
        few=2,
        statistic=reconstruction(*SIZE[:2]),
        runners=tuple(make(*SIZE) for make in (ours, textbook, jax_cd, torch_cd, sklearn_pcd, bare_products)),
        bounds=(Bound("JAX", 0.95, 1.05), Bound("the matrix products alone", 0.80, 0.90)),
    )


def test_rbm_of_784_by_500(benchmark):
    one_each(benchmark, race)
