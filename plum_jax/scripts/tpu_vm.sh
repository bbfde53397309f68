#!/usr/bin/env bash
# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Training on Cloud TPU VMs: see docs/tpu.md. Needs gcloud with a project that
# has TPU quota, git, and a clone of this repository.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=launching.sh
source "$HERE/launching.sh"

ZONE=''
ACCELERATOR_TYPE=''
VERSION=''
SPOT=0
QUEUED=0
ASYNC=0
GCLOUD_FLAGS=()
REPOSITORY=$(dirname "$(dirname "$HERE")")
MOUNT=''
MODULE=plum_jax.launch.train
PROJECT=''
WORKER=0
POLL_SECONDS=30
STATES=${XDG_STATE_HOME:-$HOME/.local/state}/plum_jax/tpu_vm

usage() {
  cat << 'USAGE'
Usage: tpu_vm.sh SUBCOMMAND NAME [--FLAG=VALUE ...] [-- LAUNCHER FLAGS]

  create   --zone=ZONE --accelerator_type=TYPE [--version=RUNTIME] [--spot]
           [--queued [--async]] [--gcloud_flag=FLAG ...]
           a TPU VM at once, or, --queued, as soon as there is one; waits for it
  install  [--repository=CLONE] [--mount=gs://BUCKET | --mount=HOST:/SHARE]
           the code as committed, with its dependencies, on all workers
  run      [--module=MODULE] -- --gin_file=FILE --gin.RUN_DIR=/mnt/plum_jax/...
           a launcher (plum_jax.launch.train) on all workers
  follow   [--worker=0]   the log until the run ends; exits as the run did
  stop     ends the run on all workers
  status   the state of TPU VM and request
  resume   after a preemption: creates, installs and runs as before
  delete   TPU VM and request

All take --dry-run, which prints the commands and runs nothing, and
--project=PROJECT. What create, install and run were given is kept in
~/.local/state/plum_jax/tpu_vm/NAME, so that --zone need not be said again.
TYPE is one of gcloud's, such as v5litepod-16; RUNTIME follows from it.
USAGE
}

# read_flags FLAG...: sets the variables above.
read_flags() {
  local flag
  for flag in "$@"; do
    case $flag in
      --*=*) value_of "$flag" ;;
    esac
    case $SUBCOMMAND:$flag in
      *:--dry-run) DRY_RUN=1 ;;
      *:--zone=*) ZONE=$VALUE ;;
      *:--project=*) PROJECT=$VALUE ;;
      *:--poll_seconds=*) POLL_SECONDS=$VALUE ;;
      *:--queued) QUEUED=1 ;;
      create:--accelerator_type=*) ACCELERATOR_TYPE=$VALUE ;;
      create:--version=*) VERSION=$VALUE ;;
      create:--spot) SPOT=1 ;;
      create:--async) ASYNC=1 ;;
      create:--gcloud_flag=*) GCLOUD_FLAGS+=("$VALUE") ;;
      install:--repository=*) REPOSITORY=$VALUE ;;
      install:--mount=*) MOUNT=$VALUE ;;
      run:--module=*) MODULE=$VALUE ;;
      follow:--worker=*) WORKER=$VALUE ;;
      *) refuse "$SUBCOMMAND does not take $flag." ;;
    esac
  done
}

# keep FILE WORD...: writes words down, each ended by a NUL.
keep() {
  local file=$1
  shift
  ((DRY_RUN)) && return
  mkdir -p "$STATE"
  printf '%s\0' "$@" > "$STATE/$file.partial"
  mv "$STATE/$file.partial" "$STATE/$file"
}

# recall FILE: reads them into RECALLED.
recall() {
  local word
  RECALLED=()
  while IFS= read -r -d '' word; do
    RECALLED+=("$word")
  done < "$STATE/$1"
}

# recall_flags FILE: takes flags of an earlier create or install again.
recall_flags() {
  recall "$1"
  SUBCOMMAND=$1 read_flags ${RECALLED[@]+"${RECALLED[@]}"}
}

tpus() {
  local group=$1 verb=$2
  shift 2
  run gcloud compute tpus "$group" "$verb" "$@" --zone="$ZONE" \
    ${PROJECT:+--project="$PROJECT"}
}

on_workers() { tpus tpu-vm ssh "$NAME" --worker="$1" --command="$2"; }

# state_of GROUP FIELD: prints the state of TPU VM or request, or NOT_FOUND.
state_of() {
  local errors state
  errors=$(mktemp)
  if state=$(tpus "$1" describe "$NAME" --format="value($2)" 2> "$errors"); then
    rm -f "$errors"
    printf '%s\n' "${state:-UNKNOWN}"
    return
  fi
  if grep --quiet NOT_FOUND "$errors"; then
    rm -f "$errors"
    echo NOT_FOUND
    return
  fi
  cat "$errors" >&2
  rm -f "$errors"
  return 1
}

# The state of the request as long as that has no TPU VM, then of the TPU VM.
state() {
  local state
  if ((QUEUED)); then
    state=$(state_of queued-resources state.state) || return 1
    if [[ $state != ACTIVE ]]; then
      echo "$state"
      return
    fi
    state=$(state_of tpu-vm state) || return 1
    # A request is ACTIVE for a moment after its TPU VM was taken away.
    [[ $state != NOT_FOUND ]] || state=PREEMPTED
    echo "$state"
    return
  fi
  state_of tpu-vm state
}

find_version() {
  [[ -z $VERSION ]] || return 0
  case $ACCELERATOR_TYPE in
    v6e-*) VERSION=v2-alpha-tpuv6e ;;
    v5p-*) VERSION=v2-alpha-tpuv5 ;;
    v5litepod-*) VERSION=v2-alpha-tpuv5-lite ;;
    v[234]-*) VERSION=tpu-ubuntu2204-base ;;
    *) refuse "no runtime is known for $ACCELERATOR_TYPE: add --version=." ;;
  esac
}

create_tpu() {
  local flags=(--accelerator-type="$ACCELERATOR_TYPE")
  ((!SPOT)) || flags+=(--spot)
  flags+=(${GCLOUD_FLAGS[@]+"${GCLOUD_FLAGS[@]}"})
  if ((QUEUED)); then
    tpus queued-resources create "$NAME" --node-id="$NAME" \
      --runtime-version="$VERSION" "${flags[@]}"
  else
    tpus tpu-vm create "$NAME" --version="$VERSION" "${flags[@]}"
  fi
}

wait_until_ready() {
  local state last=''
  if ((DRY_RUN)); then
    if ((QUEUED)); then
      echo "# every $POLL_SECONDS s until it is ACTIVE:"
      tpus queued-resources describe "$NAME" --format='value(state.state)'
    fi
    echo '# until it is READY:'
    tpus tpu-vm describe "$NAME" --format='value(state)'
    return
  fi
  while true; do
    state=$(state) || fail 1 'the state cannot be told (see above).'
    case $state in
      READY) return ;;
      FAILED | SUSPENDED | PREEMPTED | TERMINATED | NOT_FOUND)
        fail 1 "$NAME will not come: its state is $state. Try resume, or \
delete and create."
        ;;
    esac
    [[ $state == "$last" ]] || echo "$NAME: $state" >&2
    last=$state
    sleep "$POLL_SECONDS"
  done
}

do_create() {
  [[ -n $ACCELERATOR_TYPE ]] || refuse 'create needs --accelerator_type=TYPE.'
  ((!ASYNC || QUEUED)) || refuse '--async goes with --queued alone.'
  find_version
  create_tpu
  keep create "${FLAGS[@]}"
  ((ASYNC)) || wait_until_ready
}

do_install() {
  local archive=$STATE/plum_jax.tar.gz
  pack "$REPOSITORY" "$archive"
  tpus tpu-vm scp "$archive" "$HERE/plum_jax_host.sh" "$NAME:" --worker=all
  on_workers all "$(join_words bash plum_jax_host.sh install tpu \
    plum_jax.tar.gz ${MOUNT:+"$MOUNT"})"
  keep install --repository="$(cd "$REPOSITORY" && pwd)" \
    ${MOUNT:+--mount="$MOUNT"}
}

do_run() {
  check_shared_run_dir "$@"
  # Before the start: a preemption amid it is no reason to forget the run.
  keep run "$MODULE" "$@"
  on_workers all "$(join_words bash plum_jax_host.sh start \
    .venv/bin/python -m "$MODULE" --distributed "$@")"
}

do_follow() { on_workers "$WORKER" 'bash plum_jax_host.sh follow'; }

do_stop() { on_workers all 'bash plum_jax_host.sh stop'; }

do_status() {
  if ((DRY_RUN)); then
    ((!QUEUED)) ||
      tpus queued-resources describe "$NAME" --format='value(state.state)'
    tpus tpu-vm describe "$NAME" --format='value(state)'
    return
  fi
  state || fail 1 'the state cannot be told (see above).'
}

delete_tpu() {
  if ((QUEUED)); then
    tpus queued-resources delete "$NAME" --force --quiet
  else
    tpus tpu-vm delete "$NAME" --quiet
  fi
}

do_delete() {
  delete_tpu
  ((DRY_RUN)) || rm -rf "$STATE"
}

do_resume() {
  local file state=''
  for file in create install run; do
    [[ -f $STATE/$file ]] || fail 2 "there is nothing to resume: $STATE/$file \
is not there. $file writes it when it has succeeded."
  done
  recall_flags install
  find_version
  if ((DRY_RUN)); then
    do_status
    echo '# if that is PREEMPTED, TERMINATED, SUSPENDED or FAILED:'
    delete_tpu
    echo '# and if so, or if it is NOT_FOUND:'
    create_tpu
    wait_until_ready
    echo '# then:'
  else
    state=$(state) || fail 1 'the state cannot be told (see above).'
    echo "$NAME: $state" >&2
  fi
  case $state in
    '' | READY) ;;
    PREEMPTED | TERMINATED | SUSPENDED | FAILED)
      delete_tpu
      create_tpu
      wait_until_ready
      ;;
    NOT_FOUND)
      create_tpu
      wait_until_ready
      ;;
    ACCEPTED | CREATING | PROVISIONING | WAITING_FOR_RESOURCES | STARTING | \
      RESTARTING | REPAIRING | REIMAGING) wait_until_ready ;;
    *) fail 1 "nothing can be done while the state is $state; try later." ;;
  esac
  do_install
  recall run
  MODULE=${RECALLED[0]}
  do_run "${RECALLED[@]:1}"
}

main() {
  SUBCOMMAND=${1:-}
  case $SUBCOMMAND in
    create | install | run | follow | stop | status | resume | delete) ;;
    -h | --help)
      usage
      exit 0
      ;;
    '') refuse 'there is no subcommand.' ;;
    *) refuse "there is no subcommand $SUBCOMMAND." ;;
  esac
  NAME=${2:-}
  [[ $NAME =~ ^[a-z][a-z0-9-]*$ ]] || refuse "after $SUBCOMMAND comes the name \
of the TPU VM (letters a to z, digits, hyphens), not '$NAME'."
  shift 2
  STATE=$STATES/$NAME
  FLAGS=()
  while (($#)) && [[ $1 != -- ]]; do
    FLAGS+=("$1")
    shift
  done
  if (($#)); then
    shift
    [[ $SUBCOMMAND == run ]] || refuse "$SUBCOMMAND takes nothing after --."
  fi
  if [[ $SUBCOMMAND != create && -f $STATE/create ]]; then
    recall_flags create
  fi
  read_flags ${FLAGS[@]+"${FLAGS[@]}"}
  [[ -n $ZONE ]] || refuse "$SUBCOMMAND needs --zone=ZONE."
  "do_$SUBCOMMAND" "$@"
}

main "$@"
