"""What a worker is asked to do, as a job: the request is plain data, and its key says all that it depends on."""

from __future__ import annotations

from typing import Any

from dashboard.job import Job
from ebm_plugins import results
from ebm_plugins.digests import canonical, sha256
from ebm_plugins.plans import Plan
from ebm_plugins.registry import Registry


def key_of(kind: str, *parts: Any) -> str:
    """The key of what is no run of its own: 64 hex digits, equal for equal plain data."""
    return sha256(kind.encode(), *(canonical(part) for part in parts))


def run(plan: Plan, registry: Registry) -> Job:
    """The run of a plan. Its key is the spec digest."""
    return _of_plan("run", plan, registry, plan.spec_digest)


def spend(plan: Plan, registry: Registry, key: str, evaluations: int) -> Job:
    """A plan's sampler, given so many evaluations."""
    return _of_plan("spend", plan, registry, key, evaluations=evaluations)


def figure(plan: Plan, registry: Registry, key: str, title: str) -> Job:
    """One of the family's figures of a plan's run."""
    job = _of_plan("figure", plan, registry, key, title=title)
    job.spec = job.asked = None
    job.phase, job.request["training"] = "figure", ""
    return job


def _of_plan(kind: str, plan: Plan, registry: Registry, key: str, **more: Any) -> Job:
    learns = plan.family.needs_data(plan.train_config)
    request = {
        "kind": kind,
        "key": key,
        "plan": plan.spec_digest,
        "spec": plan.spec.as_dict(),
        "code": results.code_of(plan, registry),
        "training": plan.training_digest if learns else "",
        **more,
    }
    return Job(key, plan.spec, plan.spec, request=request)
