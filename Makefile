# A menu. Each word is explained by `make help`; what it does stands in scripts/.
PREFIX ?= /usr/local
.PHONY: help build install run test simulate faults alerts sanitize fuzz fuzz-coverage mutants bench bench-quick sbom images image-test k8s-check k8s-test fmt lint clean distclean

# make help        this list
help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# make build       the programs, optimised and with symbols, in build/bin; installs what the build needs first
build:
	@scripts/build.sh

# make install     PREFIX=/usr/local (DESTDIR is honoured)
install: build
	@cmake --install build --prefix '$(PREFIX)'

# make run         a private Kafka and Postgres, the simulator, the three services, and a live screen; Ctrl-C ends it all
run:
	@scripts/run.sh

# make test        everything: gcc and clang without a warning, unit, component and system tests
test:
	@scripts/test.sh

# make simulate    histories of the services among faults, one a seed: SEEDS=1:5000, MODE=sink|ingest|enricher|all (any)
simulate:
	@scripts/simulate.sh

# make faults      an hour of bad days, one line each with its figure; FAULTS="name ..." for some of tests/faults
faults:
	@scripts/faults.sh $(FAULTS)

# make alerts      a real Prometheus with our rules in fast motion: each of five faults fires its alerts and no other; ALERTS="--scale 20 ..."
alerts:
	@scripts/alerts.sh $(ALERTS)

# make sanitize    the same tests under ASan and UBSan with a tenth of the load; the unit tests under TSan
sanitize:
	@scripts/sanitize.sh

# make fuzz        each fuzz target of tests/fuzz for FUZZ_SECONDS=120, and what they reach; what is found is in build/fuzz/found
# make fuzz-coverage  what they reach, by the inputs that are there
fuzz:
	@scripts/fuzz.sh --seconds $(or $(FUZZ_SECONDS),120)
fuzz-coverage:
	@scripts/fuzz.sh --coverage

# make mutants     deliberate bugs, and whether the tests notice them: MUTANTS='NAME...' for some of tests/mutants
mutants:
	@scripts/mutants.sh $(MUTANTS)

# make bench       figures beside their limits and peers, medians of 3 rounds, bench/report; FIGURES="name ..." for some of bench/figures
# make bench-quick the same, smaller, in minutes
bench:
	@scripts/bench.sh $(FIGURES)
bench-quick:
	@scripts/bench.sh --quick $(FIGURES)

# make sbom        the bill of materials of the programs, CycloneDX, in build/sbom.cdx.json
sbom: build
	@scripts/sbom.py build/bin build/sbom.cdx.json

# make images      the images of docker/Dockerfile by buildah, without a registry (root)
images:
	@scripts/images.sh

# make image-test  the images built and tried: size, privileges, the main job from inside, by SCRAM over TLS (root; minutes)
image-test:
	@scripts/image-test.sh

# make k8s-check   k8s/, compose.yaml and docker/Dockerfile without a cluster: Kustomize, kube-score, hadolint
k8s-check:
	@scripts/k8s-check.sh

# make k8s-test    overlay dev lived with on a real one-node Kubernetes, prod and components admitted by it (root; the first time an hour)
k8s-test:
	@scripts/k8s-test.sh

# make fmt         format the C sources in place
fmt:
	@scripts/lint.sh fmt

# make lint        format and clang-tidy, without changing anything
lint:
	@scripts/lint.sh

# make clean       what was compiled; make distclean: Kafka's jars and the Python environment too
clean:
	@scripts/clean.sh
distclean:
	@[ ! -e build/k8s-cluster ] || scripts/k8s/cluster.sh down
	@! mountpoint -q build/image/storage/overlay || umount -R build/image/storage/overlay
	@rm -rf build
