// One binary, one subcommand per file; `plumbline --help` lists them.
#include <unistd.h>

#include <iostream>

#include "tools/cli.h"
#include "tools/interrupt.h"

int main(int argc, char** argv) {
  plumbline::ExitOnInterrupt();
  const plumbline::Streams streams{std::cin, std::cout, std::cerr, isatty(STDOUT_FILENO) == 1};
  return plumbline::RunCli(argc, argv, streams);
}
