"""Break the mathematics, one change at a time, and see whether the tests notice: ``make mutations``.

Each change is made in a copy of the package, and the tests of that file are run until one fails. A mutant no test kills
is printed as SURVIVED; one without a reason in ``REASONS`` makes the exit code 1.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PRIOR, MIXTURE = "vae_moe/layers/mixture_prior.py", "vae_moe/layers/latent_mixture.py"
GUMBEL, LIKELIHOODS = "vae_moe/layers/gumbel_softmax.py", "vae_moe/likelihoods/__init__.py"
REGULARIZATION, MODEL = "vae_moe/layers/regularization.py", "vae_moe/models/base.py"
EXPERTS, MIXTURES = "vae_moe/layers/experts.py", "vae_moe/models/mixture_of_experts.py"
OBJECTIVES = "vae_moe/models/objectives.py"
GENERALIZED_EM, RUN_EM = "vae_moe/training/expert_em.py", "vae_moe/em/_em.py"
GATE, EM_EXPERTS = "vae_moe/em/_gaussian_gate.py", "vae_moe/em/_experts.py"
EVIDENCE, COORDINATES = "vae_moe/em/_evidence.py", "vae_moe/training/coordinates.py"
SOFTMAX, MOMENTS = "vae_moe/em/_softmax_regression.py", "vae_moe/em/_numerics.py"
TREES, RIDGE_TREES = "vae_moe/em/_trees.py", "vae_moe/em/_ridge_trees.py"
HIERARCHY = "vae_moe/em/hierarchical.py"
TREE_MIXTURE = "vae_moe/layers/tree_mixture.py"

#: Names of the tests that each file's mutants have to pass, those that know it best first.
TESTS = {
    PRIOR: ["mixture_prior", "mixture_vae"],
    GUMBEL: ["gumbel_softmax", "mixture_vae"],
    MIXTURE: ["mixture_vae", "mixture_of_experts"],
    LIKELIHOODS: ["likelihoods", "mixture_vae"],
    REGULARIZATION: ["regularization"],
    MODEL: ["mixture_vae", "mixture_of_experts", "regularization"],
    EXPERTS: ["mixture_of_experts", "generalized_em"],
    MIXTURES: ["mixture_of_experts"],
    OBJECTIVES: ["mixture_of_experts"],
    GENERALIZED_EM: ["generalized_em", "mixture_of_experts"],
    COORDINATES: ["generalized_em"],
    TREES: ["hmoe", "hmoe_model", "em"],
    RIDGE_TREES: ["hmoe", "hmoe_model", "em"],
    HIERARCHY: ["hmoe", "em"],
    TREE_MIXTURE: ["tree_mixture"],
    **{
        path: ["em", "evidence", "em_estimators", "generalized_em"]
        for path in (RUN_EM, GATE, EM_EXPERTS, EVIDENCE, SOFTMAX, MOMENTS)
    },
}
#: (file, what stands there, what takes its place) of a mutant that may survive -> why.
REASONS: dict[tuple[str, str, str], str] = {
    (MOMENTS, "(Y[rows][held] - y_means[k])", "Y[rows][held]"): "the centred x sum to 0: only rounding differs",
}

#: (file, what stands there once, what takes its place)
MUTANTS = [
    (PRIOR, "self._log_det() - entropy_part", "self._log_det() + entropy_part"),
    (PRIOR, "z_log_var)) + self._log_det()", "z_log_var)) - self._log_det()"),
    (PRIOR, "tf.square(mean) + variance", "tf.square(mean) - variance"),
    (PRIOR, "- 2.0 * tf.matmul", "+ 2.0 * tf.matmul"),
    (PRIOR, "return 0.5 * (self._expected", "return (self._expected"),
    (PRIOR, "tf.exp(-self.log_vars)  # [K, L]", "tf.exp(self.log_vars)  # [K, L]"),
    (PRIOR, "log_var - z_log_var + ratio", "z_log_var - log_var + ratio"),
    (PRIOR, "ratio - 1.0", "ratio + 1.0"),
    (PRIOR, "return -0.5 * (self._expected", "return 0.5 * (self._expected"),
    (PRIOR, "math.log(2 * math.pi)", "math.log(math.pi)"),
    (PRIOR, "self.log_weights() + self.component_log_prob(z)", "self.component_log_prob(z)"),
    (PRIOR, "self.log_weights() + self.component_log_prob(z)", "self.log_weights() - self.component_log_prob(z)"),
    (PRIOR, "np.exp(0.5 * log_vars) * noise", "np.exp(log_vars) * noise"),
    (PRIOR, "squares + tf.matmul(variance", "squares - tf.matmul(variance"),
    (GUMBEL, "gumbel = -tf.math.log(-tf.math.log(uniform))", "gumbel = tf.math.log(-tf.math.log(uniform))"),
    (GUMBEL, "(logits + gumbel)", "(logits)"),
    (GUMBEL, ") / self.temperature", ") * self.temperature"),
    (MIXTURE, '"recon": -self', '"recon": self'),
    (MIXTURE, 'self._kl_c(q["c_logits"])', '-self._kl_c(q["c_logits"])'),
    (MIXTURE, "c_logits - self.prior.log_weights()", "c_logits + self.prior.log_weights()"),
    (MIXTURE, 'tf.exp(q["c_logits"]) * self.prior.kl', '-tf.exp(q["c_logits"]) * self.prior.kl'),
    (MIXTURE, "return self.prior.relaxed_kl(", "return -self.prior.relaxed_kl("),
    (MIXTURE, "tf.exp(0.5 * z_log_var) * tf.cast(noise", "tf.exp(z_log_var) * tf.cast(noise"),
    (MIXTURE, "noise[:, tf.newaxis]  # [S, B, L]", "0 * noise[:, tf.newaxis]  # [S, B, L]"),
    (MIXTURE, '"gumbel" and training', '"gumbel"'),
    (LIKELIHOODS, "return -tf.reduce_sum(tf.nn.sigmoid", "return tf.reduce_sum(tf.nn.sigmoid"),
    (LIKELIHOODS, "normaliser = 0.5 * math.log(2", "normaliser = -0.5 * math.log(2"),
    (LIKELIHOODS, "+ math.log(self.stddev)", "- math.log(self.stddev)"),
    (LIKELIHOODS, "return -0.5 * tf.reduce_sum(tf.square", "return 0.5 * tf.reduce_sum(tf.square"),
    (LIKELIHOODS, "* tf.exp(-log_var)", "* tf.exp(log_var)"),
    (LIKELIHOODS, "return -tf.nn.sparse", "return tf.nn.sparse"),
    (REGULARIZATION, "return -tf.reduce_sum", "return tf.reduce_sum"),
    (REGULARIZATION, "tf.exp(c_logits) * log_ratio", "-tf.exp(c_logits) * log_ratio"),
    (REGULARIZATION, "log_ratio -= tf.math.log(tf.constant(shares", "log_ratio += tf.math.log(tf.constant(shares"),
    (REGULARIZATION, "tf.exp(target) * (target - view", "tf.exp(target) * (target + view"),
    (REGULARIZATION, "components >= 0, -held", "components >= 0, held"),
    (REGULARIZATION, "return divergence(radius * ", "return divergence(0.1 * radius * "),
    (REGULARIZATION, "target = tf.stop_gradient(c_logits)", "target = c_logits"),
    (REGULARIZATION, "first = probe * radius", "first = radius"),
    (REGULARIZATION, "return -tf.reduce_sum(tf.exp(c_logits) * c_logits, -1)", "return -tf.reduce_sum(c_logits, -1)"),
    (EXPERTS, "self.kernels) + self.biases", "self.kernels) - self.biases"),
    (OBJECTIVES, "return -tf.reduce_logsumexp(c_logits + experts", "return -tf.reduce_logsumexp(c_logits - experts"),
    (OBJECTIVES, "return -tf.reduce_sum(tf.exp(c_logits)", "return -tf.reduce_sum(c_logits"),
    (OBJECTIVES, "tf.where(known[:, tf.newaxis], c_logits + experts.log_prob(params, y), params.dtype.min)",
     "c_logits + experts.log_prob(params, y)"),
    (MIXTURES, "tf.where(known, nll, 0.0)", "nll"),
    (MODEL, "_product(sample_weight, rows.get(name))", "sample_weight"),
    (GENERALIZED_EM, "log_resp = log_gate + fitted.log_prob(inputs, y)\n", "log_resp = log_gate\n"),
    (GENERALIZED_EM, "counts @ variances / counts.sum()", "counts @ variances"),
    (GENERALIZED_EM, "_sparse(log_softmax(log_resp, 1)) + log_weights", "_sparse(log_softmax(log_resp, 1))"),
    (RUN_EM, "log_resp = log_joint - log_evidence", "log_resp = log_joint"),
    (RUN_EM, "+ y_weight * experts.log_prob(X, Y)", "+ experts.log_prob(X, Y)"),
    (RUN_EM, "+ y_weight * experts.log_prob(X, Y)", "- y_weight * experts.log_prob(X, Y)"),
    (RUN_EM, "gate.log_penalty() + y_weight", "gate.log_penalty() - y_weight"),
    (RUN_EM, "log_evidence[:, 0] + penalty", "log_evidence[:, 0] - penalty"),
    (RUN_EM, "weighted = log_resp + log_weights", "weighted = log_resp"),
    (RUN_EM, "/ weights.sum())", "/ len(X))"),
    (GATE, "np.log(counts) - np.log(counts.sum())", "np.log(counts)"),
    (GATE, "n_samples = resp.sum()", "n_samples = len(X)"),
    (GATE, "fair_count * shrinkage / (1 - shrinkage)", "fair_count * shrinkage / (1 + shrinkage)"),
    (GATE, "(shrinkage * target + reg_covar)", "(shrinkage * target - reg_covar)"),
    (GATE, "(scatter + self.prior_scale * identity) / total", "(scatter - self.prior_scale * identity) / total"),
    (GATE, "held + self.prior_count", "held - self.prior_count"),
    (GATE, "return constants - 0.5 * distances", "return constants - distances"),
    (GATE, "self.log_weights + np.log(roots).sum(axis=1)", "self.log_weights - np.log(roots).sum(axis=1)"),
    (GATE, "0.5 * n_features * np.log(2 * np.pi)", "0.5 * n_features * np.log(np.pi)"),
    (GATE, "self.prior_count * 2 * np.log(roots)", "self.prior_count * np.log(roots)"),
    (GATE, "self.prior_scale * np.square(cholesky).sum()", "-self.prior_scale * np.square(cholesky).sum()"),
    (EM_EXPERTS, "moments.x_scatter[k] + self.alpha", "moments.x_scatter[k] - self.alpha"),
    (EM_EXPERTS, "moments.xy_scatter[k] + self.alpha", "moments.xy_scatter[k] - self.alpha"),
    (EM_EXPERTS, "moments.y_means[k] - moments.x_means[k]", "moments.y_means[k] + moments.x_means[k]"),
    (EM_EXPERTS, "np.exp(log_resp)) + self.alpha * experts._distances()", "np.exp(log_resp))"),
    (EM_EXPERTS, "-0.5 * np.log(2 * np.pi * self.variances)", "0.5 * np.log(2 * np.pi * self.variances)"),
    (EM_EXPERTS, "constants - 0.5 * np.einsum", "constants - np.einsum"),
    (EM_EXPERTS, "squares, 1 / self.variances)", "squares, self.variances)"),
    (EM_EXPERTS, "return -0.5 * self.alpha * float", "return 0.5 * self.alpha * float"),
    (EVIDENCE, "+ n_outputs * np.square(self.roots)", "- n_outputs * np.square(self.roots)"),
    (EVIDENCE, "n_experts * n_inputs * n_outputs / max", "n_experts * n_inputs / max"),
    (EVIDENCE, "0.5 * Y.shape[1] * np.square", "0.5 * np.square"),
    (EVIDENCE, "block - self.x_means[k]", "block"),
    (EVIDENCE, "self.alpha * traces - log_dets", "self.alpha * traces + log_dets"),
    (EM_EXPERTS, "float(-0.5 * self.alpha * np.square", "float(0.5 * self.alpha * np.square"),
    (TREES, "given_parent = G + precisions", "given_parent = G - precisions"),
    (TREES, "gain = precisions[level] * inverse  #", "gain = inverse  #"),
    (TREES, "inverse, h + precisions[level] * parents", "inverse, h"),
    (TREES, "inverse + doubts - 2 * followed", "inverse + doubts - followed"),
    (TREES, "inverse + followed @ gain", "inverse - followed @ gain"),
    (TREES, "best = n_maps / ", "best = "),
    (TREES, "_residual_squares(X, Y, resp) + doubt", "_residual_squares(X, Y, resp)"),
    (TREES, "(squares + PRIOR_ROWS * common)", "(squares)"),
    (TREES, "log_prob[rows] -= 0.5 * np.einsum", "log_prob[rows] += 0.5 * np.einsum"),
    (TREES, "self.variances + bias_doubt + self._doubts", "bias_doubt + self._doubts"),
    (TREES, "- self.log_dets - self.precisions", "+ self.log_dets - self.precisions"),
    (TREES, "maps.sum() + PRIOR_ROWS", "maps.sum() - PRIOR_ROWS"),
    (TREES, "1 / (1 / variances).mean", "variances.mean"),
    (RIDGE_TREES, "asked / weight, weight / (weight + 1)", "asked / weight, weight"),
    (RIDGE_TREES, "(asked + children(levels[-1], number)) / (weight + 1)", "asked / weight"),
    (TREES, "moments.xy_scatter - moments.x_scatter @ center", "moments.xy_scatter"),
    (RIDGE_TREES, "experts.center, experts.kernels", "experts.kernels, experts.kernels"),
    (RIDGE_TREES, "return -0.5 * self.alpha * float(sum(apart))", "return 0.5 * self.alpha * float(sum(apart))"),
    (HIERARCHY, "above[:, None] + g.log_prob(X)", "g.log_prob(X)"),
    (HIERARCHY, "gate.fit(X[rows], parts[rows])", "gate.fit(X[rows], 0 * parts[rows])"),
    (HIERARCHY, "return sum(gate.log_penalty()", "return -sum(gate.log_penalty()"),
    (TREE_MIXTURE, "log_probs[..., tf.newaxis] + choices", "log_probs[..., tf.newaxis] - choices"),
    (TREE_MIXTURE, "tf.exp(log_q) * (log_q - log_p)", "tf.exp(log_q) * (log_q + log_p)"),
    (TREE_MIXTURE, 'terms["kl_c"] - first[:, 0]', 'terms["kl_c"]'),
    (TREE_MIXTURE, "zeta[..., tf.newaxis] * self.gumbel", "self.gumbel"),
    (SOFTMAX, "np.exp(log_prob) - self.targets", "np.exp(log_prob) + self.targets"),
    (SOFTMAX, "0.5 * (ridge * distance).sum() - fit", "(ridge * distance).sum() - fit"),
    (SOFTMAX, "(slope + ridge).ravel()", "(slope - ridge).ravel()"),
    (SOFTMAX, "(c == d) - prob[:, d]", "(c == d) + prob[:, d]"),
    (SOFTMAX, "matrix[-1] - mean @ kernel", "matrix[-1] + mean @ kernel"),
    (MOMENTS, "root = np.sqrt(resp[rows, k][held, None])", "root = resp[rows, k][held, None]"),
    (MOMENTS, "np.where(held_samples(resp), resp, 0.0)", "resp"),
    (MOMENTS, "x_centred -= x_means[k]", "x_centred += x_means[k]"),
    (MOMENTS, "(Y[rows][held] - y_means[k])", "Y[rows][held]"),
    (COORDINATES, "center * self.scale[:, np.newaxis] + self.basis", "self.basis"),
    (COORDINATES, "@ (kernels - self.kernels(center))", "@ kernels"),
    (COORDINATES, "return kernels / self.scale[:, np.newaxis]", "return kernels"),
    (MODEL, "loss += self._weight(name, training) * term", "loss += term"),
    (MODEL, "self.kl_weight if name in KL_TERMS", "1.0 if name in KL_TERMS"),
    (MODEL, "0.0 if name in regularization.NAMES else 1.0", "1.0"),
]  # fmt: skip


def misplaced() -> list[str]:
    """What is wrong with the list: mutants whose old text does not stand in its file exactly once."""
    counts = [((ROOT / path).read_text(encoding="utf-8").count(old), path, old) for path, old, _ in MUTANTS]
    return [f"{path} has {count} places {old!r}" for count, path, old in counts if count != 1]


def survives(path: str, old: str, new: str) -> bool:
    """Whether the tests pass with the change."""
    source = (ROOT / path).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("vae_moe", "tests"):
            shutil.copytree(ROOT / name, Path(folder) / name)
        (Path(folder) / path).write_text(source.replace(old, new), encoding="utf-8")
        tests = [f"tests/test_{name}.py" for name in TESTS[path]]
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *tests]
        environment = {**os.environ, "PYTHONPATH": folder}
        run = subprocess.run(command, cwd=folder, capture_output=True, check=False, env=environment, text=True)
        if run.returncode not in (0, 1):  # 1: a test failed; anything else is pytest's own trouble
            raise RuntimeError(f"pytest ended with {run.returncode}: {run.stdout[-500:]}{run.stderr[-500:]}")
        return run.returncode == 0


def tried(every: int = 1, jobs: int | None = None) -> Iterator[tuple[tuple[str, str, str], bool]]:
    """Each mutant, or every so many-th, and whether it survives; as many at a time as there are cores."""
    if wrong := misplaced():
        raise ValueError(f"a mutant needs exactly one place, mend the list: {'; '.join(wrong)}.")
    mutants = MUTANTS[::every]
    with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        yield from zip(mutants, pool.map(lambda mutant: survives(*mutant), mutants), strict=True)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this part."""
    parser.add_argument("--every", type=int, default=1, help="try each n-th mutant alone; default: 1, all")
    parser.add_argument("--jobs", type=int, help="mutants at a time; default: as many as there are cores")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run the tests against each mutant."""
    from rich.progress import track

    total = len(MUTANTS[:: options.every])
    survivors = [mutant for mutant, survived in track(tried(options.every, options.jobs), "mutants", total) if survived]
    return {
        "mutants": total,
        "killed": total - len(survivors),
        "survivors": [
            {"file": file, "old": old, "new": new, "reason": REASONS.get((file, old, new), "no reason known")}
            for file, old, new in survivors
        ],
        "passed": len(survivors) <= 0.1 * total,
    }


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Break the mathematics, one change at a time: do the tests notice?")
    add_options(parser)
    options = parser.parse_args()
    total, survivors = len(MUTANTS[:: options.every]), []
    for i, (mutant, survived) in enumerate(tried(options.every, options.jobs), 1):
        path, old, new = mutant
        print(f"{i:2}/{total} {'SURVIVED' if survived else 'killed  '} {path}: {old!r} -> {new!r}", flush=True)
        survivors += [mutant] if survived else []
    print(f"{total - len(survivors)} of {total} mutants killed")
    for mutant in survivors:
        print(f"{mutant}: {REASONS.get(mutant, 'no reason: write a test, or the reason into REASONS')}")
    return int(any(mutant not in REASONS for mutant in survivors))


if __name__ == "__main__":
    sys.exit(main())
