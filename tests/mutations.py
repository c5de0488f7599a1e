"""Break the mathematics, one change at a time, and see whether the tests notice: ``make mutations``.

Each change is made in a copy of the package; a mutant no test kills is printed as SURVIVED, and the exit code is 1.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
PRIOR, MIXTURE = "vae_moe/layers/mixture_prior.py", "vae_moe/layers/latent_mixture.py"
GUMBEL, LIKELIHOODS = "vae_moe/layers/gumbel_softmax.py", "vae_moe/likelihoods.py"
CONSISTENCY, BASE = "vae_moe/layers/consistency.py", "vae_moe/models/base.py"
EXPERTS, MIXTURES = "vae_moe/layers/experts.py", "vae_moe/models/mixture_of_experts.py"
EM = "vae_moe/generalized_em.py"

#: (file, what stands there once, what takes its place)
MUTANTS = [
    (PRIOR, "self._log_det() - entropy_part", "self._log_det() + entropy_part"),
    (PRIOR, "second_moment) + self._log_det()", "second_moment) - self._log_det()"),
    (PRIOR, "tf.square(z_mean) + tf.exp(z_log_var)", "tf.square(z_mean) - tf.exp(z_log_var)"),
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
    (GUMBEL, "gumbel = -tf.math.log(-tf.math.log(uniform))", "gumbel = tf.math.log(-tf.math.log(uniform))"),
    (GUMBEL, "(logits + gumbel)", "(logits)"),
    (GUMBEL, ") / self.temperature", ") * self.temperature"),
    (MIXTURE, '"recon": -self', '"recon": self'),
    (MIXTURE, 'self._kl_c(q["c_logits"])', '-self._kl_c(q["c_logits"])'),
    (MIXTURE, "c_logits - self.prior.log_weights()", "c_logits + self.prior.log_weights()"),
    (MIXTURE, 'tf.exp(q["c_logits"]) * self.prior.kl', '-tf.exp(q["c_logits"]) * self.prior.kl'),
    (MIXTURE, "return self.prior.relaxed_kl(", "return -self.prior.relaxed_kl("),
    (MIXTURE, "tf.exp(0.5 * z_log_var) * noise  # [B, L]", "tf.exp(z_log_var) * noise  # [B, L]"),
    (MIXTURE, "noise[:, tf.newaxis]  # [S, B, L]", "0 * noise[:, tf.newaxis]  # [S, B, L]"),
    (MIXTURE, '"gumbel" and training', '"gumbel"'),
    (LIKELIHOODS, "return -tf.reduce_sum(tf.nn.sigmoid", "return tf.reduce_sum(tf.nn.sigmoid"),
    (LIKELIHOODS, "normaliser = 0.5 * math.log(2", "normaliser = -0.5 * math.log(2"),
    (LIKELIHOODS, "+ math.log(self.stddev)", "- math.log(self.stddev)"),
    (LIKELIHOODS, "return -0.5 * tf.reduce_sum(tf.square", "return 0.5 * tf.reduce_sum(tf.square"),
    (LIKELIHOODS, "* tf.exp(-log_var)", "* tf.exp(log_var)"),
    (LIKELIHOODS, "return -tf.nn.sparse", "return tf.nn.sparse"),
    (CONSISTENCY, "return -tf.reduce_sum", "return tf.reduce_sum"),
    (CONSISTENCY, "tf.exp(c_logits) * log_batch", "-tf.exp(c_logits) * log_batch"),
    (CONSISTENCY, "tf.exp(target) * (target - view", "tf.exp(target) * (target + view"),
    (CONSISTENCY, "components >= 0, -held", "components >= 0, held"),
    (CONSISTENCY, "return divergence(radius * ", "return divergence(0.1 * radius * "),
    (CONSISTENCY, "target = tf.stop_gradient(c_logits)", "target = c_logits"),
    (EXPERTS, "self.kernels) + self.biases", "self.kernels) - self.biases"),
    (MIXTURES, "return -tf.reduce_logsumexp(c_logits + experts", "return -tf.reduce_logsumexp(c_logits - experts"),
    (MIXTURES, "return -tf.reduce_sum(tf.exp(c_logits)", "return -tf.reduce_sum(c_logits"),
    (MIXTURES, "tf.where(known, nll, 0.0)", "nll"),
    (EM, "log_resp = log_gate + fitted.log_prob(inputs, y)\n", "log_resp = log_gate\n"),
    (EM, "counts @ variances / counts.sum()", "counts @ variances"),
    (BASE, "loss += self._weight(name, training) * term", "loss += term"),
    (BASE, "self.kl_weight if name in self.KL_TERMS", "1.0 if name in self.KL_TERMS"),
    (BASE, "0.0 if name in self.TRAINING_TERMS else 1.0", "1.0"),
]  # fmt: skip
TESTS = ["mixture_prior", "gumbel_softmax", "likelihoods", "consistency", "mixture_vae", "mixture_of_experts"]
TESTS += ["generalized_em"]


def survives(path: str, old: str, new: str) -> bool:
    """Whether the tests pass with the change."""
    source = (ROOT / path).read_text(encoding="utf-8")
    if source.count(old) != 1:
        raise ValueError(f"{path} has {source.count(old)} places {old!r}: a mutant needs exactly one; mend the list.")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("vae_moe", "tests"):
            shutil.copytree(ROOT / name, Path(folder) / name)
        (Path(folder) / path).write_text(source.replace(old, new), encoding="utf-8")
        tests = [f"tests/test_{name}.py" for name in TESTS]
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *tests]
        environment = {**os.environ, "PYTHONPATH": folder}
        run = subprocess.run(command, cwd=folder, capture_output=True, check=False, env=environment, text=True)
        if run.returncode not in (0, 1):  # 1: a test failed; anything else is pytest's own trouble
            raise RuntimeError(f"pytest ended with {run.returncode}: {run.stdout[-500:]}{run.stderr[-500:]}")
        return run.returncode == 0


def main() -> int:
    """Try every mutant, as many at a time as there are cores; returns the exit code."""
    survivors = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for i, (mutant, survived) in enumerate(zip(MUTANTS, pool.map(lambda m: survives(*m), MUTANTS), strict=True), 1):
            path, old, new = mutant
            survivors += survived
            print(
                f"{i:2}/{len(MUTANTS)} {'SURVIVED' if survived else 'killed  '} {path}: {old!r} -> {new!r}", flush=True
            )
    print(f"{len(MUTANTS) - survivors} of {len(MUTANTS)} mutants killed")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
