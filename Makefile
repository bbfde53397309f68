# Needs Python 3.11 and make; everything else goes into .venv.
#
#   make quickstart   real interactions to a results table, on a laptop
#   make quickstart-cpt  the same after continued pre-training
#   make sid-ablation PLUM's ablation of Semantic IDs: six experiments, 3 seeds
#   make plum         PLUM's 2x2: language model or none, pre-trained or not
#   make aligned      recommendation knowledge in natural language: 5 mixtures
#   make test         lint, types, all tests
#   make format       lays out the code
#   make lock         resolves the lock files anew (needs uv)
#   make tpu-compiler fetches what compiles for TPUs where there is none
#
# QUICKSTART_ARGS, QUICKSTART_CPT_ARGS, SID_ABLATION_ARGS, PLUM_ARGS and ALIGNED_ARGS
# are passed on, for example
#   make quickstart QUICKSTART_ARGS='--gin.RUN_DIR=runs/mine'
#   make sid-ablation SID_ABLATION_ARGS='--gin_file=gin/catalogs/beauty.gin
#     --gin.CATALOG_PATH=data/amazon2014_beauty --gin.RUN_DIR=runs/beauty_sids'

PYTHON ?= python3.11
UV ?= uv
PYTEST_ARGS ?= -n 2
QUICKSTART_ARGS ?=
QUICKSTART_CPT_ARGS ?=
SID_ABLATION_ARGS ?=
PLUM_ARGS ?=
ALIGNED_ARGS ?=
# The figures of the ablation, of each model that has them.
ALIGNED_METRICS := $(foreach figure,retrieval/recall@5 retrieval/ndcg@5 \
  retrieval/recall@10 retrieval/ndcg@10 ranking/hr@5 ranking/ndcg@5 \
  ranking/hr@10 ranking/ndcg@10 rating/rmse rating/mae rating/auc, \
  generative/$(figure))
COMMA := ,
SPACE := $() $()

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Beside the packages, not among them: where Python finds libtpu, JAX looks for
# TPUs at every start and complains that there are none.
TPU_COMPILER := $(VENV)/tpu_compiler/.installed
LOG := $(VENV)/install.log
PACKAGES := plum_jax $(wildcard tasks)
SCRIPTS := .ci/run $(wildcard plum_jax/scripts/*.sh)
# T5X is not on PyPI, and what imports it has no doctests.
NEED_T5X := constrained_decoding models optimizer
SOURCES := $(PACKAGES) tests $(wildcard benchmarks) setup.py

# Large arrays in huge pages: a quarter off a training step on CPU (glibc 2.35 or
# newer; others ignore it).
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1

.PHONY: quickstart quickstart-cpt sid-ablation plum aligned test lint types unit doctests format lock tpu-compiler

quickstart: $(INSTALLED)
	$(BIN)/python -m plum_jax.launch.quickstart \
	  --gin_file=gin/experiments/ml100k_quickstart.gin $(QUICKSTART_ARGS)

quickstart-cpt: $(INSTALLED)
	$(BIN)/python -m plum_jax.launch.study --seeds=0 --reuse=runs/quickstart \
	  --experiments=gin/experiments/quickstart_cpt.gin \
	  --experiments=gin/experiments/quickstart_cpt_sft.gin \
	  --stages=catalog,item_embeddings,semantic_ids,vocabulary,tasks,train,evaluate \
	  --metrics=generative/retrieval/recall@10 \
	  --gin.RECOMMENDERS="('generative', 'popularity')" $(QUICKSTART_CPT_ARGS)

sid-ablation: $(INSTALLED)
	$(BIN)/python -m plum_jax.launch.study \
	  --experiments=gin/experiments/sid_v1.gin,gin/experiments/sid_v2.gin \
	  --experiments=gin/experiments/sid_v2_no_multi_resolution.gin \
	  --experiments=gin/experiments/sid_v2_no_multi_embedding.gin \
	  --experiments=gin/experiments/sid_v2_no_co_occurrence.gin \
	  --experiments=gin/experiments/sid_v2_no_masking.gin \
	  --stages=catalog,item_embeddings,semantic_ids,vocabulary,tasks,train,evaluate \
	  --gin.RUN_DIR=runs/sid_ablation --gin.RECOMMENDERS="('generative',)" \
	  $(SID_ABLATION_ARGS)

plum: $(INSTALLED)
	$(BIN)/python -m plum_jax.launch.study \
	  --experiments=gin/experiments/plum_sft.gin,gin/experiments/plum_text_sft.gin \
	  --experiments=gin/experiments/plum_cpt_sft.gin \
	  --experiments=gin/experiments/plum_text_cpt_sft.gin \
	  --experiments=gin/experiments/plum_text.gin,gin/experiments/plum_cpt.gin \
	  --experiments=gin/experiments/plum_text_cpt.gin \
	  --stages=catalog,item_embeddings,semantic_ids,general_text,vocabulary,tasks,train,evaluate \
	  --metrics=generative/retrieval/recall@10 \
	  --gin.RECOMMENDERS="('generative',)" $(PLUM_ARGS)

aligned: $(INSTALLED)
	$(BIN)/python -m plum_jax.launch.study \
	  --experiments=gin/experiments/aligned_rec.gin,gin/experiments/aligned_mim.gin \
	  --experiments=gin/experiments/aligned_mlm.gin,gin/experiments/aligned_bpr.gin \
	  --experiments=gin/experiments/aligned_all.gin,gin/experiments/aligned_start.gin \
	  --stages=catalog,item_embeddings,semantic_ids,general_text,vocabulary,tasks,train,sasrec,bpr_mf,biased_mf,evaluate,evaluate_tasks \
	  --metrics=$(subst $(SPACE),$(COMMA),$(strip $(ALIGNED_METRICS))) $(ALIGNED_ARGS)

test: lint types unit doctests

lint: $(INSTALLED)
	$(BIN)/ruff check --quiet $(SOURCES)
	$(BIN)/pyink --check --quiet $(SOURCES)
	$(BIN)/shellcheck --external-sources $(SCRIPTS)

types: $(INSTALLED)
	$(BIN)/pyrefly check

unit: $(INSTALLED) $(TPU_COMPILER)
	$(BIN)/pytest $(PYTEST_ARGS) tests

doctests: $(INSTALLED)
	$(BIN)/pytest --doctest-modules $(NEED_T5X:%=--ignore=plum_jax/t5x/%.py) \
	  $(PACKAGES)

format: $(INSTALLED)
	$(BIN)/ruff check --fix --quiet $(SOURCES)
	$(BIN)/pyink --quiet $(SOURCES)

# pip says much that is of no interest unless it fails.
$(INSTALLED): requirements.lock setup.py
	@command -v $(PYTHON) > /dev/null || { \
	  echo 'Python 3.11 is needed: make PYTHON=/path/to/python3.11' >&2; \
	  exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo 'Installing into $(VENV): about 3 GB, some minutes.'
	@{ $(BIN)/pip install --require-hashes -r requirements.lock && \
	  $(BIN)/pip install --no-deps --no-build-isolation -e .; } \
	  > $(LOG) 2>&1 || { cat $(LOG) >&2; exit 1; }
	@touch $@

tpu-compiler: $(TPU_COMPILER)

$(TPU_COMPILER): requirements-tpu-compiler.lock $(INSTALLED)
	@echo 'Fetching the TPU compiler: 0.7 GB on disk.'
	$(BIN)/pip install --quiet --no-deps --require-hashes --upgrade \
	  --target $(VENV)/tpu_compiler -r requirements-tpu-compiler.lock
	@touch $@

# Keeps what the lock file already says unless constraints.txt or setup.py
# rules it out; delete the lock file first to take the newest of everything.
lock:
	$(UV) pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --extra test --extra beam setup.py -c constraints.txt \
	  -o requirements.lock --no-header
	$(UV) pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes requirements-tpu-compiler.in \
	  -o requirements-tpu-compiler.lock --no-header
