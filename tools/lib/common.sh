# shellcheck shell=bash
# Shared by tools/quickstart and tools/check; sourced, never run. Expects `set -euo pipefail`.

# Everything runs from the root of the source tree, wherever it was called from.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# How many compilers at once: one per core, but 2 GiB of memory for each.
build_jobs() {
  local cores memory_kib by_memory
  cores=$(nproc)
  memory_kib=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
  by_memory=$((memory_kib / (2 * 1024 * 1024)))
  if ((by_memory < 1)); then by_memory=1; fi
  echo $((cores < by_memory ? cores : by_memory))
}

# stage NAME COMMAND...: a headline, the command, its duration. A failing command ends the script
# (set -e); the trap then says which stage it was.
stage_name=
stage() {
  local name=$1
  shift
  stage_name=$name
  stage_start=$SECONDS
  printf '\n== %s\n' "$name"
  "$@"
  printf '== %s: %d s\n' "$name" $((SECONDS - stage_start))
  stage_name=
}

report_failed_stage() {
  local status=$?
  if ((status != 0)) && [[ -n $stage_name ]]; then
    printf '\n%s: FAILED in "%s" after %d s (exit status %d)\n' \
      "$(basename "$0")" "$stage_name" $((SECONDS - stage_start)) "$status" >&2
  fi
}
trap report_failed_stage EXIT

# What builds and test runs are started by, if not directly (a command and its arguments).
launcher=()

# Compilers run behind ccache, with paths relative to the tree: a second build of the same sources,
# here or in another clone, is short.
export CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=true

# build PRESET [TARGET...]: configures and builds; without targets, everything.
build() {
  local preset=$1 targets=()
  shift
  if (($# > 0)); then targets=(--target "$@"); fi
  cmake --preset "$preset" --log-level=WARNING
  "${launcher[@]}" cmake --build --preset "$preset" --parallel "$(build_jobs)" "${targets[@]}"
}
