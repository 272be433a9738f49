# Goals for a machine with Rust, Go, a C compiler and make. `make help` lists them.

TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
ASSETS := $(TARGET)/controlplane
PROGRAMS := $(TARGET)/debug
STACK := $(PROGRAMS)/examples/stack

# Feature checks and `kubectl version` need the version of the server.
KUBERNETES := $(shell sed -n 's|^.*k8s.io/kubernetes v\([0-9.]*\).*|\1|p' tests/controlplane/go.mod)
KUBERNETES_PARTS := $(subst ., ,$(KUBERNETES))
VERSION := k8s.io/component-base/version
LDFLAGS := -s -w -X $(VERSION).gitVersion=v$(KUBERNETES) \
	-X $(VERSION).gitMajor=$(word 1,$(KUBERNETES_PARTS)) -X $(VERSION).gitMinor=$(word 2,$(KUBERNETES_PARTS))

# A folder that setup-envtest has filled contains these three programs, so none of them is built.
ifdef KUBEBUILDER_ASSETS
CONTROL_PLANE :=
else
CONTROL_PLANE := $(ASSETS)/kube-apiserver $(ASSETS)/server $(ASSETS)/kubectl
endif

# Programs that `make browser` and `make postgres` had to unpack.
export PATH := $(abspath $(TARGET)/machine/bin):$(PATH)

# The programs that a goal still has to build, in order, for the numbers that step.sh prints.
BUILT_demo := $(CONTROL_PLANE) $(ASSETS)/kube-controller-manager
BUILT_up := $(BUILT_demo)
BUILT_check := $(TARGET)/tools/bin/cargo-deny
BUILT_test := $(BUILT_demo) $(TARGET)/bucket/versitygw $(ASSETS)/helm $(ASSETS)/kustomize-controller \
	$(TARGET)/tools/bin/cargo-deny $(TARGET)/checkov/installed $(TARGET)/oracle/installed \
	$(TARGET)/tools/bin/cargo-cyclonedx
GOAL := $(firstword $(MAKECMDGOALS))
# The program of etcd is called `server`.
called = $(patsubst server,etcd,$(notdir $(1:/installed=)))
MISSING := $(strip $(foreach file,$(BUILT_$(GOAL)),$(if $(wildcard $(file)),,$(call called,$(file)))))
export STEPS := $(MISSING) $(if $(filter demo up,$(GOAL)),programs) $(if $(filter test,$(GOAL)),image programs)

STEP := sh tests/stack/step.sh

define need
@command -v $(1) >/dev/null 2>&1 || { echo "\`$(1)\` is missing: install $(2)" >&2; exit 1; }
endef

.PHONY: help demo up down check test bench footprint mutants mutants-wide long nightly crds build image image-platform \
	image-test said controlplane controller-manager tools browser bucket postgres helm flux promtool bwrap checkov oracle \
	cyclonedx deny rust clean clean-demo
.DEFAULT_GOAL := help

help:
	@echo 'make demo    play the life of a Partner and its Clients (KEEP=1 leaves it running)'
	@echo 'make up      the same stack, left running (RATE_LIMITS=1: with the documented limits)'
	@echo 'make down    end it'
	@echo 'make check   format, lints, pure tests, names and words, licences and sources of what is built in'
	@echo 'make test    everything; it installs what it needs'
	@echo 'make bench   measure the operator beside a bare load generator (BENCH_TENANTS, BENCH_ROUNDS)'
	@echo 'make footprint   measure memory and CPU of operator and platform with 0, 200 and 1,000 Clients'
	@echo 'make mutants break the code on purpose, and show which test turns red (MUTANTS=name plays one)'
	@echo 'make mutants-wide   break the code in SAMPLE places that SEED chooses, and show what no test notices'
	@echo 'make nightly what is long, with a fresh seed that is printed and what fails kept'
	@echo 'make long    play 200,000 random steps, and print what came of them (STEPS, SEED)'
	@echo 'make crds    write crds/, what the chart carries of it, docs/reference.md, docs/plugin.md and the page of the chart'
	@echo 'make image   the image of the operator, its bill of materials and signatures in target/image (IMAGE_KEY=file signs)'
	@echo 'make image-platform   the same of the platform'
	@echo 'make clean   remove what was built (the control plane too)'

demo: said controlplane controller-manager build
	@$(STACK) demo

up: said controlplane controller-manager build
	@$(STACK) up

# A newcomer needs to know why nothing happens for some minutes.
said:
	@$(if $(MISSING),echo 'to be built once: $(MISSING) and the programs of Tenantry (about a quarter of an hour on two cores)',:)

# Without a build: a stack that was never built cannot be running.
down:
	@if test -x $(STACK); then $(STACK) down; else echo 'no stack is running'; fi

# One invocation: the programs and the stack share one set of features, and so one build.
build: rust
	@$(STEP) programs crates cargo build --bins --example stack

# This profile is release without the long link.
bench: rust controlplane
	cargo build --quiet --profile measure --bins --example bench
	@$(TARGET)/measure/examples/bench

# Uses the programs of the images.
footprint: image image-platform controlplane
	cargo build --quiet --example bench
	@TENANTRY_PROGRAMS=$(TARGET)/$$(rustc -vV | sed -n 's/^host: //p')/release $(PROGRAMS)/examples/bench rest

# Not part of `make test`: it builds the code once for each defect.
mutants: build controlplane controller-manager
	@sh tests/stack/mutants.sh $(MUTANTS)

# Not part of `make test`: it takes hours. The mutants are those of cargo-mutants, not chosen by hand.
mutants-wide: rust $(TARGET)/tools/bin/cargo-mutants
	@sh tests/stack/mutants-wide.sh $(or $(SAMPLE),150) $(or $(SEED),1)

# Tests that are too long for each change. Scale and soak tests belong here too.
nightly: build controlplane controller-manager
	@sh tests/stack/nightly.sh

# Not part of `make test`: hundreds of thousands of random steps, in a profile that is fast enough for them.
long: rust
	TENANTRY_STEPS=$(or $(STEPS),200000) TENANTRY_SEED=$(or $(SEED),1) \
	  cargo test --quiet --profile measure --test it -- --nocapture sim::long_run

crds: rust
	cargo run --quiet --example crdgen -- crds charts/tenantry/kinds docs/reference.md charts/tenantry/README.md docs/plugin.md

check: rust deny
	@sh tests/stack/tiers.sh fmt lint unit words deny

# The tools come first, so that a missing one is reported at once and not after half an hour.
test: tools browser postgres said controlplane controller-manager bucket helm flux promtool deny checkov oracle bwrap image-test build
	@sh tests/stack/tiers.sh fmt lint unit words deny alerts integration postgres docs demo

image: rust cyclonedx
	@sh packaging/image/image.sh tenantry-operator

image-platform: rust cyclonedx
	@sh packaging/image/image.sh tenantry-platform

# Like `make image`, but built in a third of the time. It must not be mistaken for a release.
image-test: rust cyclonedx
	@IMAGE_PROFILE=image-test IMAGE_FOLDER=$(TARGET)/image/test $(STEP) image crates sh packaging/image/image.sh tenantry-operator

controlplane: $(CONTROL_PLANE)

controller-manager: $(ASSETS)/kube-controller-manager

tools: rust
	@sh tests/stack/tools.sh

browser:
	@sh tests/stack/machine.sh browser

postgres:
	@sh tests/stack/machine.sh postgres

helm: $(ASSETS)/helm

flux: $(ASSETS)/kustomize-controller $(ASSETS)/flux-kinds/made

promtool: $(ASSETS)/promtool

bucket: $(TARGET)/bucket/versitygw

bwrap: $(ASSETS)/bwrap

$(ASSETS)/kube-apiserver: package = k8s.io/kubernetes/cmd/kube-apiserver
$(ASSETS)/kube-controller-manager: package = k8s.io/kubernetes/cmd/kube-controller-manager
$(ASSETS)/kubectl: package = k8s.io/kubernetes/cmd/kubectl
$(ASSETS)/helm: package = helm.sh/helm/v4/cmd/helm
$(ASSETS)/server: package = go.etcd.io/etcd/server/v3

$(ASSETS)/%: tests/controlplane/go.mod tests/controlplane/go.sum
	$(call need,go,Go 1.26 or newer from https://go.dev/dl)
	$(call need,cc,a C compiler (gcc or clang))
	@mkdir -p $(ASSETS)
	@$(STEP) $(call called,$@) packages sh tests/stack/go.sh tests/controlplane '$(LDFLAGS)' '$(abspath $@)' $(package)

# In a separate Go module, because it pins other versions of modules that the programs above use.
$(ASSETS)/kustomize-controller: tests/flux/go.mod tests/flux/go.sum
	$(call need,go,Go 1.26 or newer from https://go.dev/dl)
	@mkdir -p $(ASSETS)
	@$(STEP) $(@F) packages sh tests/stack/go.sh tests/flux '-s -w' '$(abspath $@)' github.com/fluxcd/kustomize-controller

# A real S3 server, also in a separate Go module.
$(TARGET)/bucket/versitygw: tests/bucket/go.mod tests/bucket/go.sum
	$(call need,go,Go 1.26 or newer from https://go.dev/dl)
	@mkdir -p $(@D)
	@$(STEP) $(@F) packages sh tests/stack/go.sh tests/bucket '-s -w' '$(abspath $@)' github.com/versity/versitygw/cmd/versitygw

$(ASSETS)/flux-kinds/made: tests/flux/kinds.sh tests/flux/go.mod
	$(call need,go,Go 1.26 or newer from https://go.dev/dl)
	@sh tests/flux/kinds.sh '$(abspath $(@D))'
	@touch $@

# A scanner of manifests, in a separate folder. The file made by `touch` shows that the installation is complete.
checkov: $(TARGET)/checkov/installed

$(TARGET)/checkov/installed: tests/scan/requirements.txt
	$(call need,python3,Python 3.10 or newer)
	@python3 -m venv --clear $(TARGET)/checkov
	@$(STEP) checkov nothing $(TARGET)/checkov/bin/pip install --quiet --disable-pip-version-check --requirement tests/scan/requirements.txt
	@touch $@

# HPE's own client library and tool, which exercise the platform.
oracle: $(TARGET)/oracle/installed

$(TARGET)/oracle/installed: tests/oracle/requirements.txt
	$(call need,python3,Python 3.10 or newer)
	@python3 -m venv --clear $(TARGET)/oracle
	@$(STEP) oracle nothing $(TARGET)/oracle/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		--requirement tests/oracle/requirements.txt
	@touch $@

# The installed program, or the one of Debian's package, which need not be installed.
$(ASSETS)/promtool: package = prometheus
$(ASSETS)/bwrap: package = bubblewrap

$(ASSETS)/promtool $(ASSETS)/bwrap:
	@mkdir -p $(ASSETS)
	@sh tests/stack/debian.sh $(notdir $@) $(package) '$(abspath $@)'

# Writes the bill of materials.
cyclonedx: $(TARGET)/tools/bin/cargo-cyclonedx

# Checks licences and sources of the dependencies.
deny: $(TARGET)/tools/bin/cargo-deny

$(TARGET)/tools/bin/cargo-cyclonedx: version = 0.5.9
$(TARGET)/tools/bin/cargo-deny: version = 0.20.2
$(TARGET)/tools/bin/cargo-mutants: version = 27.1.0

# Without optimisation: it builds in less than a minute, and runs for seconds.
$(TARGET)/tools/bin/%: | rust
	@CARGO_PROFILE_DEV_DEBUG=0 $(STEP) $* crates cargo install --locked --debug --root $(TARGET)/tools \
	  --target-dir $(TARGET)/tools/build/$* $*@$(version)
	@rm -rf $(TARGET)/tools/build/$*

rust:
	$(call need,cargo,Rust from https://rustup.rs)
	$(call need,cc,a C compiler (gcc or clang))

clean-demo: down
	rm -rf $(TARGET)/demo $(TARGET)/demo.lock

clean: down
	rm -rf $(TARGET)
