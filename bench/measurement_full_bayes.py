"""The core against full Bayes: one small class, sampled by NUTS with nothing integrated out.

    python -m bench.measurement_full_bayes            one class of 25, parameters known
    python -m bench.measurement_full_bayes --free     150 students, every parameter free: against EM with bootstrap

The sampler (numpyro) shares no line with the core: states, severities and every sitting's term are its unknowns.
Known parameters: each student's skills at the end of the window have to have means within 0.05 SD and intervals
within 5 % of the exact ones. Free ones: the same is printed for the plug-in with and without bootstrap, and for
the loadings.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sightline.measurement.bootstrap import bootstrap, drawn_from
from sightline.measurement.card import N_SKILLS, N_SOURCES, STATE
from sightline.measurement.enough import TooLittle
from sightline.measurement.fitting import fit
from sightline.measurement.kernel import solve
from sightline.measurement.observations import Floats, Observations, Parameters
from sightline.measurement.priors import LATENT, Priors, at_priors, literature_priors

MOST_APART, MOST_WIDER = 0.05, 0.05
CLASS = 25
TASKS = 8


@dataclass(frozen=True)
class Comparison:
    """Skills at the window's end: how far the core's means are (in posterior SD) and its SDs (relative)."""

    apart: Floats
    wider: Floats

    def __str__(self) -> str:
        return (
            f"means apart: {np.sqrt(np.mean(self.apart**2)):.3f} SD (rms), {np.abs(self.apart).max():.3f} (most); "
            f"intervals: {100 * np.mean(self.wider):+.1f} % (mean), {100 * np.abs(self.wider).max():.1f} % (most)"
        )


def school(
    rng: np.random.Generator, students: int, *, game: int = 12, talk: int = 11, sittings: tuple[int, int] = (9, 4)
) -> tuple[Observations, Parameters]:
    """Observations drawn from parameters near the priors, so many indicators and sittings of play and of talk."""
    counts = (game, talk, N_SKILLS)
    source = np.repeat(np.arange(N_SOURCES), counts)
    skill = np.concatenate([np.arange(count) % N_SKILLS for count in counts])
    truth = at_priors(skill, source, literature_priors(students), TASKS)
    lam = truth.lam + rng.uniform(-0.1, 0.1, len(source))
    truth = replace(truth, lam=lam, difficulty=rng.normal(0, 0.4, TASKS), mu_beta=np.full(N_SKILLS, 0.1))
    rows: list[tuple[int, int, int, float, int]] = []
    sitting = 0
    for student in range(students):
        kinds = np.repeat([0, 1, 2], [sittings[0], sittings[1], 3])
        for place, kind in enumerate(kinds):
            own = np.flatnonzero(source == kind)
            shown = rng.permutation(own)[: max(len(own) // 2, 1)] if kind == 0 else own
            at = (place - sum(sittings)) / 2 if kind == N_SOURCES - 1 else float(rng.random())
            rows.extend((student, sitting, int(j), at, int(kind)) for j in shown)
            sitting += 1
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    of, kind = columns[2].astype(np.intp), columns[4]
    observations = Observations(
        student=columns[0].astype(np.intp),
        sitting=columns[1].astype(np.intp),
        indicator=of,
        time=columns[3],
        y=np.zeros(len(of)),
        sampling_variance=np.where(kind == 0, 0.05, 0.0),
        rater=np.where(kind == N_SOURCES - 1, columns[0] // CLASS, -1).astype(np.intp),
        task=np.where(kind == 0, rng.integers(TASKS, size=len(of)), -1).astype(np.intp),
        n_students=students,
        n_sittings=sitting,
        n_raters=-(-students // CLASS),
        n_tasks=TASKS,
    )
    return replace(observations, y=drawn_from(truth, observations, rng)), truth


def sampled(
    observations: Observations, known: Parameters, priors: Priors | None, *, draws: int, chains: int, seed: int
) -> dict[str, Any]:
    """Draws of states (draws x N x 17) and, when `priors` are given, of free parameters, by NUTS."""
    import jax  # noqa: PLC0415 - dev only, and slow to import
    import numpyro  # noqa: PLC0415
    import numpyro.distributions as dist  # noqa: PLC0415

    numpyro.enable_x64()
    o = observations
    jnp = jax.numpy
    source_of_sitting = np.zeros(o.n_sittings, dtype=np.intp)
    source_of_sitting[o.sitting] = known.source[o.indicator]

    def free(name: str, distribution: Any, value: Any) -> Any:
        return jnp.asarray(value) if priors is None else numpyro.sample(name, distribution)

    def model() -> None:
        many = len(known.c)
        root = jnp.linalg.cholesky(known.sigma) if priors is None else _free_root(numpyro, dist, jnp, priors)
        p = priors or literature_priors(o.n_students)
        lam = free("lam", dist.TruncatedNormal(p.lam[known.source], p.lam_sd[known.source], low=0.0), known.lam)
        gam = free("gam", dist.Normal(p.gam[known.source], p.gam_sd[known.source]), known.gam)
        c = free("c", dist.Normal(0, 1).expand([many]), known.c)
        s2 = free("s2", dist.LogNormal(jnp.log(0.6), 0.5).expand([many]), known.s2)
        om2 = free("om2", dist.LogNormal(jnp.log(p.om2), 0.7), known.om2)
        tau = free("tau", dist.LogNormal(np.log(0.4), 0.5), np.sqrt(known.tau2))
        kap = free("kap", dist.LogNormal(np.log(0.4), 0.5), np.sqrt(known.kap2))
        mu_beta = free("mu_beta", dist.Normal(0, 1).expand([N_SKILLS]), known.mu_beta)
        raw = free("difficulty", dist.Normal(0, 1).expand([o.n_tasks]), known.difficulty / np.sqrt(known.kap2))
        latent = numpyro.sample("z", dist.Normal(0, 1).expand([o.n_students, LATENT])) @ root.T
        brought = numpyro.sample("m", dist.Normal(0, 1).expand([o.n_students, N_SOURCES]))
        severity = numpyro.sample("severity", dist.Normal(0, 1).expand([o.n_raters])) * tau
        shared = numpyro.sample("shared", dist.Normal(0, 1).expand([o.n_sittings]))
        shared = shared * jnp.sqrt(om2)[source_of_sitting]
        skill, source = known.skill[o.indicator], known.source[o.indicator]
        change = latent[o.student, N_SKILLS + skill] + mu_beta[skill]
        expected = c[o.indicator] + lam[o.indicator] * (latent[o.student, skill] + o.time * change)
        expected += gam[o.indicator] * brought[o.student, source] + shared[o.sitting]
        expected += jnp.append(raw * kap, 0.0)[o.task] + jnp.append(severity, 0.0)[o.rater]
        spread = jnp.sqrt(s2[o.indicator] + o.sampling_variance)
        numpyro.sample("y", dist.Normal(expected, spread), obs=o.y)

    kernel = numpyro.infer.NUTS(model, target_accept_prob=0.8)
    sampler = numpyro.infer.MCMC(
        kernel,
        num_warmup=draws // 2,
        num_samples=draws,
        num_chains=chains,
        chain_method="sequential",
        progress_bar=False,
    )
    sampler.run(jax.random.PRNGKey(seed))
    found = {name: np.asarray(value) for name, value in sampler.get_samples().items()}
    if priors is None:
        latent = found["z"] @ np.linalg.cholesky(known.sigma).T
        changes = known.mu_beta[None, None, :]
    else:
        latent = found["z"] @ np.swapaxes(_root_of(found, np), 1, 2)
        changes = found["mu_beta"][:, None, :]
    latent[:, :, N_SKILLS:] += changes
    return {**found, "x": np.concatenate([latent, found["m"]], axis=2)}


def _free_root(numpyro: Any, dist: Any, jnp: Any, priors: Priors) -> Any:
    """Cholesky factor of a covariance of levels and changes: correlated levels, and changes apart from them."""
    expected = np.sqrt(np.diag(priors.sigma)[N_SKILLS:])
    parts = {
        "levels": numpyro.sample("levels", dist.LKJCholesky(N_SKILLS, concentration=1.0)),
        "changes": numpyro.sample("changes", dist.LKJCholesky(N_SKILLS, concentration=1.0)),
        "sd_beta": numpyro.sample("sd_beta", dist.LogNormal(jnp.log(expected), 0.3)),
    }
    return _root_of(parts, jnp)


def _root_of(parts: dict[str, Any], numeric: Any) -> Any:
    """The factor (14 x 14, after what the parts have before) from its blocks, with numpy or jax's numpy."""
    changes = parts["sd_beta"][..., :, None] * parts["changes"]
    none = numeric.zeros_like(changes)
    upper = numeric.concatenate([parts["levels"], none], axis=-1)
    return numeric.concatenate([upper, numeric.concatenate([none, changes], axis=-1)], axis=-2)


def at_the_end(mean: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Means and SDs of the seven skills at the window's end (N x 7 each)."""
    target = np.zeros((N_SKILLS, STATE))
    axes = np.arange(N_SKILLS)
    target[axes, axes] = target[axes, N_SKILLS + axes] = 1.0
    return mean @ target.T, np.sqrt(np.einsum("ka,nab,kb->nk", target, covariance, target))


def compare(mean: Floats, covariance: Floats, x: Floats) -> Comparison:
    """The core's means (N x 17) and covariances against draws of the states (draws x N x 17)."""
    ours, our_sd = at_the_end(mean, covariance)
    ends = x[:, :, :N_SKILLS] + x[:, :, N_SKILLS:LATENT]
    theirs, their_sd = ends.mean(axis=0), ends.std(axis=0)
    return Comparison(apart=(ours - theirs) / their_sd, wider=our_sd / their_sd - 1.0)


def known_parameters(seed: int, *, students: int = CLASS, draws: int = 4000, chains: int = 4) -> Comparison:
    """The posterior of one class under parameters that are known."""
    observations, truth = school(np.random.default_rng(seed), students)
    solved = solve(observations, truth)
    draw = sampled(observations, truth, None, draws=draws, chains=chains, seed=seed)
    return compare(solved.mean, solved.covariance, draw["x"])


def free_parameters(seed: int, students: int, draws: int) -> None:
    """Prints EM's estimates beside the posterior of everything."""
    rng = np.random.default_rng(seed)
    observations, truth = school(rng, students)
    priors = literature_priors(students)
    fitted = fit(observations, skill=truth.skill, source=truth.source, priors=priors, heavy_tails=False)
    if isinstance(fitted, TooLittle):
        raise SystemExit(f"{fitted.reason}: {fitted.needed}")
    draw = sampled(observations, truth, priors, draws=draws, chains=1, seed=seed)
    added = bootstrap(observations, fitted, priors, rng=rng).inflation(observations)
    print("plug-in:       ", compare(fitted.solved.mean, fitted.solved.covariance, draw["x"]))
    print("with bootstrap:", compare(fitted.solved.mean, fitted.solved.covariance + added, draw["x"]))
    for name in ("lam", "gam"):
        ours, theirs, true = getattr(fitted.parameters, name), draw[name].mean(axis=0), getattr(truth, name)
        apart = np.sqrt(np.mean((ours - theirs) ** 2))
        errors = [np.sqrt(np.mean((each - true) ** 2)) for each in (ours, theirs)]
        print(f"{name}: {apart:.3f} apart (rms); error of EM {errors[0]:.3f}, of full Bayes {errors[1]:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--free", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--students", type=int, default=150)
    parser.add_argument("--draws", type=int, default=600)
    chosen = parser.parse_args()
    if chosen.free:
        free_parameters(chosen.seed, chosen.students, chosen.draws)
        return
    found = known_parameters(chosen.seed)
    print(found)
    if np.abs(found.apart).max() > MOST_APART or np.abs(found.wider).max() > MOST_WIDER:
        raise SystemExit("the core and full Bayes do not agree")
    print("agreed: means within 0.05 SD, intervals within 5 %")


if __name__ == "__main__":
    main()
