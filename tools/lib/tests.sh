# shellcheck shell=bash
# Runs of the test suite; sourced after common.sh.

# run_tests PRESET: shows what did not pass and the closing lines; everything is in the log.
test_runs=()
run_tests() {
  local preset=$1
  local log=build/ctest-$preset.log
  "${launcher[@]}" ctest --preset "$preset" --parallel "$(nproc)" --no-tests=error \
    --no-label-summary |
    tee "$log" | grep --line-buffered -vE '^ +Start +[0-9]+: | Passed +[0-9.]+ sec$'
  test_runs+=("$preset")
}

# The runner's own closing lines, those of the first run (release) last.
print_test_summaries() {
  local i preset closing
  for ((i = ${#test_runs[@]} - 1; i >= 0; --i)); do
    preset=${test_runs[i]}
    closing=$(grep -E '[0-9]+% tests passed, ' "build/ctest-$preset.log")
    if ((i == 0)); then printf '%s\n' "$closing"; else printf '%s: %s\n' "$preset" "$closing"; fi
  done
}

# ThreadSanitizer of GCC 12 maps its shadow at fixed addresses and refuses to start where the kernel
# randomises over more bits than it knows. Where turning that off is forbidden, we run as is.
stop_randomising_addresses() {
  if setarch --addr-no-randomize true 2>/dev/null; then
    launcher=(setarch --addr-no-randomize)
  fi
}
