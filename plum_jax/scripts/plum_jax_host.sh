#!/usr/bin/env bash
# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
#
# What a host (Linux) does for tpu_vm.sh and gpu_hosts.sh, which copy this file
# there. The code goes to ~/plum_jax; log, process number and exit status of a
# run to ~/plum_jax_host/<host name>, since hosts may share a home folder.
set -euo pipefail

ROOT=$HOME/plum_jax
FILES=$HOME/plum_jax_host/$(hostname)
MOUNT_POINT=/mnt/plum_jax
MARK=plum_jax_run
KILL_AFTER_SECONDS=60

usage() {
  cat << 'USAGE'
Usage: plum_jax_host.sh install tpu|cuda13 ARCHIVE [MOUNT]
       plum_jax_host.sh start COMMAND...
       plum_jax_host.sh follow
       plum_jax_host.sh stop

install   unpacks the code, mounts MOUNT (gs://BUCKET or HOST:/SHARE) on
          /mnt/plum_jax, and installs the versions of requirements.lock
start     runs a command in ~/plum_jax; it outlives the connection
follow    prints the log until the run ends; exits as the run did
stop      ends the run
USAGE
}

fail() {
  echo "$(hostname): $2" >&2
  exit "$1"
}

# Prints the run's process number if it is going on. The mark tells it from a
# later process with the same number.
running() {
  local pid
  pid=$(cat "$FILES/pid" 2> /dev/null) || return 1
  grep --quiet --text --no-messages "$MARK" "/proc/$pid/cmdline" || return 1
  echo "$pid"
}

unpack() {
  local archive=$1 file
  # Files of the version before, which the new one may lack; not what runs made.
  if [[ -f $ROOT/.unpacked ]]; then
    while IFS= read -r file; do
      rm -f -- "$ROOT/$file"
    done < "$ROOT/.unpacked"
  fi
  tar -xzf "$archive" -C "$ROOT"
  tar -tzf "$archive" | grep -v '/$' > "$ROOT/.unpacked"
}

install_gcsfuse() {
  local release
  release=$(lsb_release --codename --short)
  curl -fsSL https://packages.cloud.google.com/apt/doc/apt-key.gpg |
    sudo tee /usr/share/keyrings/cloud.google.asc > /dev/null
  echo "deb [signed-by=/usr/share/keyrings/cloud.google.asc]" \
    "https://packages.cloud.google.com/apt gcsfuse-$release main" |
    sudo tee /etc/apt/sources.list.d/gcsfuse.list > /dev/null
  sudo apt-get -qq update
  sudo apt-get -qq install -y gcsfuse
}

mount_share() {
  local source=$1
  if mountpoint --quiet "$MOUNT_POINT"; then
    return
  fi
  sudo mkdir -p "$MOUNT_POINT"
  case $source in
    gs://*)
      command -v gcsfuse > /dev/null || install_gcsfuse
      sudo chown "$(id -u):$(id -g)" "$MOUNT_POINT"
      # Nothing is remembered about files: another host may have changed them.
      gcsfuse --implicit-dirs --metadata-cache-ttl-secs=0 "${source#gs://}" \
        "$MOUNT_POINT"
      ;;
    *:/*)
      command -v mount.nfs > /dev/null || {
        sudo apt-get -qq update
        sudo apt-get -qq install -y nfs-common
      }
      sudo mount -t nfs "$source" "$MOUNT_POINT"
      ;;
    *) fail 2 "cannot mount $source: expected gs://BUCKET or HOST:/SHARE" ;;
  esac
}

install() {
  local accelerator=$1 archive=$2 version
  case $accelerator in
    tpu | cuda13) ;;
    *) fail 2 "there is no installation for $accelerator: tpu or cuda13" ;;
  esac
  mkdir -p "$ROOT"
  # Hosts that share a home folder install one after another.
  exec 9> "$ROOT/.install.lock"
  flock 9
  ! running > /dev/null || fail 3 "a run is going on; stop it first"
  unpack "$archive"
  if [[ -n ${3:-} ]]; then
    mount_share "$3"
  fi
  cd "$ROOT"
  # uv brings Python 3.11, which images do not all have.
  export PATH=$HOME/.local/bin:$PATH
  command -v uv > /dev/null || curl -fsSL https://astral.sh/uv/install.sh | sh
  [[ -x .venv/bin/python ]] || uv venv --quiet --seed --python 3.11 .venv
  version=$(sed -n 's/^jax==\([0-9.]*\).*/\1/p' requirements.lock)
  [[ -n $version ]] || fail 1 "requirements.lock names no version of jax"
  uv pip install --quiet --python .venv/bin/python --require-hashes \
    -r requirements.lock
  uv pip install --quiet --python .venv/bin/python \
    "jax[$accelerator]==$version"
  uv pip install --quiet --python .venv/bin/python --no-deps \
    --no-build-isolation -e .
  echo "$(hostname): installed, jax $version for $accelerator"
}

start() {
  local pid
  if pid=$(running); then
    fail 3 "a run is going on (process $pid); stop it first"
  fi
  [[ -d $ROOT ]] || fail 2 "there is no $ROOT; install first"
  mkdir -p "$FILES"
  rm -f "$FILES/pid" "$FILES/status"
  cd "$ROOT"
  # A session of its own outlives the connection, and is stopped as a whole.
  # shellcheck disable=SC2016
  setsid bash -c 'files=$1; shift
    trap : TERM # reaches the command too; how that ends is still written down
    echo $$ > "$files/pid"
    status=0
    "$@" || status=$?
    echo "$(date -Is) ended with exit status $status"
    echo "$status" > "$files/status"' \
    "$MARK" "$FILES" "$@" < /dev/null >> "$FILES/log" 2>&1 &
  until [[ -s $FILES/pid ]]; do
    sleep 0.1
  done
  echo "$(hostname): started (process $(cat "$FILES/pid")), log $FILES/log"
}

follow() {
  [[ -s $FILES/pid ]] || fail 1 "nothing was started here"
  tail --pid="$(cat "$FILES/pid")" --lines=200 --follow "$FILES/log"
  [[ -s $FILES/status ]] || fail 1 "the run was killed"
  exit "$(cat "$FILES/status")"
}

stop() {
  local pid seconds
  if ! pid=$(running); then
    echo "$(hostname): nothing is running"
    return
  fi
  kill -TERM -- "-$pid"
  for ((seconds = 0; seconds < KILL_AFTER_SECONDS; seconds++)); do
    if ! running > /dev/null; then
      echo "$(hostname): stopped"
      return
    fi
    sleep 1
  done
  kill -KILL -- "-$pid"
  echo "$(hostname): killed after $KILL_AFTER_SECONDS s"
}

case ${1:-}:$# in
  install:3 | install:4 | follow:1 | stop:1 | start:[2-9] | start:[1-9][0-9]*)
    "$@"
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac
