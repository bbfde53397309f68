# shellcheck shell=bash
# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
#
# What tpu_vm.sh and gpu_hosts.sh share; they source it. It runs under the bash
# 3.2 of macOS too: no mapfile, and no empty array is expanded by itself.

DRY_RUN=0

# fail STATUS MESSAGE: ends the script.
fail() {
  echo "Error: $2" >&2
  exit "$1"
}

# refuse MESSAGE: ends the script after a mistake in the arguments.
refuse() {
  echo "Error: $1" >&2
  echo >&2
  usage >&2
  exit 2
}

# join_words WORD...: one line that a shell reads back as these words.
join_words() {
  local word rest line=''
  for word in "$@"; do
    if [[ -z $word || $word == *[!A-Za-z0-9_@%+=:,./-]* ]]; then
      rest=$word
      word=''
      while [[ $rest == *\'* ]]; do
        word+="${rest%%\'*}'\\''"
        rest=${rest#*\'}
      done
      word="'$word$rest'"
    fi
    line+=" $word"
  done
  printf '%s\n' "${line# }"
}

# run WORD...: runs a command, or prints it in a dry run. A failure ends the
# script.
run() {
  if ((DRY_RUN)); then
    join_words "$@"
    return
  fi
  local status=0
  "$@" || status=$?
  ((status == 0)) ||
    fail 1 "this ended with exit status $status: $(join_words "$@")"
}

# value_of FLAG=VALUE: puts the value into VALUE; refuses an empty one.
value_of() {
  VALUE=${1#*=}
  [[ -n $VALUE ]] || refuse "${1%%=*} has no value."
}

# check_shared_run_dir FLAG...: the stages need a run directory that each host
# sees under the same path.
check_shared_run_dir() {
  local flag run_dir=''
  for flag in "$@"; do
    case $flag in
      --gin.RUN_DIR=*) run_dir=${flag#*=} ;;
    esac
  done
  # gin takes a text with and without quotes.
  run_dir=${run_dir#[\'\"]}
  case $run_dir in
    /*) ;;
    '') refuse "after -- there is no --gin.RUN_DIR=PATH: a folder that all \
hosts share, such as /mnt/plum_jax/mine." ;;
    gs://*) refuse "RUN_DIR=$run_dir: stages read and write files, not objects \
of a bucket. Mount one (install --mount), then --gin.RUN_DIR=/mnt/plum_jax/..." ;;
    *) refuse "RUN_DIR=$run_dir is relative, on each host's own disk. Give a \
folder that all hosts share, such as /mnt/plum_jax/mine." ;;
  esac
}

# pack REPOSITORY ARCHIVE: what is committed there, as a .tar.gz.
pack() {
  local repository=$1 archive=$2
  if ! ((DRY_RUN)); then
    git -C "$repository" rev-parse --verify --quiet HEAD > /dev/null ||
      fail 2 "$repository is no clone of this repository with a commit: give \
one by --repository=FOLDER."
    if [[ -n $(git -C "$repository" status --porcelain) ]]; then
      echo "Note: changes in $repository that are not committed stay here." >&2
    fi
    mkdir -p "$(dirname "$archive")"
  fi
  run git -C "$repository" archive --format=tar.gz --output="$archive" HEAD
}
