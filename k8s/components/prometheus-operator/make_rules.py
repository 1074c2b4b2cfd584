"""Writes rules.yaml: monitoring/prometheus/kmd.rules.yaml as a PrometheusRule. Kustomize reads no file outside its folder."""

from pathlib import Path

HERE = Path(__file__).resolve().parent
RULES = HERE.parents[2] / "monitoring" / "prometheus" / "kmd.rules.yaml"
HEAD = """\
# Written by make_rules.py from monitoring/prometheus/kmd.rules.yaml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: kmd
  labels: {app.kubernetes.io/part-of: kmd}
spec:
"""


def text() -> str:
    return HEAD + "".join(f"  {line}" if line.strip() else line for line in RULES.read_text().splitlines(keepends=True))


if __name__ == "__main__":
    (HERE / "rules.yaml").write_text(text())
