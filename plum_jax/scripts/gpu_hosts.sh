#!/usr/bin/env bash
# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Training on GPU hosts reached by ssh: see docs/gpu.md. Needs ssh with keys,
# git, and a clone of this repository.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=launching.sh
source "$HERE/launching.sh"

HOSTS=()
HOST=''
PORT=8476
COORDINATOR=''
ACCELERATOR=cuda13
REPOSITORY=$(dirname "$(dirname "$HERE")")
MOUNT=''
MODULE=plum_jax.launch.train
ARCHIVE=${XDG_STATE_HOME:-$HOME/.local/state}/plum_jax/gpu_hosts/plum_jax.tar.gz
# Hosts are asked at the same time: none may stop for a password.
SSH=(ssh -o BatchMode=yes)

usage() {
  cat << 'USAGE'
Usage: gpu_hosts.sh SUBCOMMAND --hosts=A,B,... [--FLAG=VALUE ...]
         [-- LAUNCHER FLAGS]

  install  [--repository=CLONE] [--mount=HOST:/SHARE]
           the code as committed, with its dependencies, on all hosts
  run      [--module=MODULE] [--coordinator=ADDRESS] [--port=8476]
           -- --gin_file=FILE --gin.RUN_DIR=/mnt/plum_jax/...
           a launcher (plum_jax.launch.train) on all hosts, one process each,
           which takes all GPUs of its host; the first host coordinates
  follow   [--host=A]   the log until the run ends; exits as the run did
  stop     ends the run on all hosts

--hosts_file=FILE reads one host a line. A host is what ssh takes: a name of
~/.ssh/config or USER@ADDRESS. --dry-run prints the commands and runs nothing.
USAGE
}

# add_hosts NAME...
add_hosts() {
  local host
  for host in "$@"; do
    # An option of ssh would be taken for one.
    [[ $host =~ ^[A-Za-z0-9_][A-Za-z0-9_.@-]*$ ]] ||
      refuse "'$host' is no host: a name of ~/.ssh/config or USER@ADDRESS."
    HOSTS+=("$host")
  done
}

read_hosts_file() {
  local line
  [[ -r $1 ]] || refuse "the file $1 cannot be read."
  while IFS= read -r line || [[ -n $line ]]; do
    line=${line%%#*}
    line=${line//[[:space:]]/}
    [[ -z $line ]] || add_hosts "$line"
  done < "$1"
}

read_flags() {
  local flag names
  for flag in "$@"; do
    case $flag in
      --*=*) value_of "$flag" ;;
    esac
    case $SUBCOMMAND:$flag in
      *:--dry-run) DRY_RUN=1 ;;
      *:--hosts=*)
        IFS=, read -r -a names <<< "$VALUE"
        add_hosts "${names[@]}"
        ;;
      *:--hosts_file=*) read_hosts_file "$VALUE" ;;
      install:--repository=*) REPOSITORY=$VALUE ;;
      install:--mount=*) MOUNT=$VALUE ;;
      run:--module=*) MODULE=$VALUE ;;
      run:--coordinator=*) COORDINATOR=$VALUE ;;
      run:--port=*) PORT=$VALUE ;;
      follow:--host=*) HOST=$VALUE ;;
      *) refuse "$SUBCOMMAND does not take $flag." ;;
    esac
  done
  ((${#HOSTS[@]})) || refuse "$SUBCOMMAND needs --hosts= or --hosts_file=."
}

# on_all FUNCTION: calls it with each host, at the same time; a line that a
# host prints begins with its name. Fails where any of them fails.
on_all() {
  local host pids=() failed=() index
  if ((DRY_RUN)); then
    for host in "${HOSTS[@]}"; do
      "$1" "$host"
    done
    return
  fi
  for host in "${HOSTS[@]}"; do
    ("$1" "$host" 2>&1 | sed "s/^/$host: /") &
    pids+=($!)
  done
  for index in "${!pids[@]}"; do
    wait "${pids[index]}" || failed+=("${HOSTS[index]}")
  done
  ((${#failed[@]} == 0)) || fail 1 "$SUBCOMMAND failed on ${failed[*]}."
}

install_host() {
  run scp -q -o BatchMode=yes "$ARCHIVE" "$HERE/plum_jax_host.sh" "$1:"
  run "${SSH[@]}" "$1" "$(join_words bash plum_jax_host.sh install \
    "$ACCELERATOR" plum_jax.tar.gz ${MOUNT:+"$MOUNT"})"
}

stop_host() { run "${SSH[@]}" "$1" 'bash plum_jax_host.sh stop'; }

do_install() {
  pack "$REPOSITORY" "$ARCHIVE"
  on_all install_host
}

do_run() {
  local index several=() command
  if ((${#HOSTS[@]} > 1)); then
    check_shared_run_dir "$@"
    [[ -n $COORDINATOR ]] || COORDINATOR=${HOSTS[0]#*@}
  fi
  for index in "${!HOSTS[@]}"; do
    if ((${#HOSTS[@]} > 1)); then
      several=(--coordinator_address="$COORDINATOR:$PORT"
        --num_processes="${#HOSTS[@]}" --process_id="$index")
    fi
    command=$(join_words bash plum_jax_host.sh start .venv/bin/python -m \
      "$MODULE" ${several[@]+"${several[@]}"} "$@")
    run "${SSH[@]}" "${HOSTS[index]}" "$command"
  done
}

do_follow() {
  run "${SSH[@]}" "${HOST:-${HOSTS[0]}}" 'bash plum_jax_host.sh follow'
}

do_stop() { on_all stop_host; }

main() {
  local flags=()
  SUBCOMMAND=${1:-}
  case $SUBCOMMAND in
    install | run | follow | stop) ;;
    -h | --help)
      usage
      exit 0
      ;;
    '') refuse 'there is no subcommand.' ;;
    *) refuse "there is no subcommand $SUBCOMMAND." ;;
  esac
  shift
  while (($#)) && [[ $1 != -- ]]; do
    flags+=("$1")
    shift
  done
  if (($#)); then
    shift
    [[ $SUBCOMMAND == run ]] || refuse "$SUBCOMMAND takes nothing after --."
  fi
  read_flags ${flags[@]+"${flags[@]}"}
  "do_$SUBCOMMAND" "$@"
}

main "$@"
