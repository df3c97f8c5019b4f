#include "tests/support/run_binary.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "gtest/gtest.h"

namespace plumbline {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// A folder for one run, removed at the end.
class Scratch {
 public:
  Scratch() {
    std::string name = testing::TempDir() + "/plumbline-run-" + std::string(6, 'X');
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~Scratch() {
    std::error_code error;
    if (!path_.empty()) std::filesystem::remove_all(path_, error);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  bool ok() const { return !path_.empty(); }

 private:
  std::string path_;
};

pid_t Spawn(const BinaryRun& run, const std::string& in, const std::string& out,
            const std::string& err) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT, 0600);
  std::vector<std::string> arguments = run.arguments;
  arguments.insert(arguments.begin(), "plumbline");
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  const std::string binary = run.binary.empty() ? PLUMBLINE_BINARY : run.binary;
  const int error = posix_spawn(&pid, binary.c_str(), &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  return error == 0 ? pid : -1;
}

// Sends SIGINT once the text is there; gives up when the program ends by itself.
void InterruptAfter(pid_t pid, const std::string& text, const std::string& err) {
  siginfo_t ended = {};
  while (ReadFile(err).find(text) == std::string::npos) {
    if (waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        ended.si_pid == pid) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  kill(pid, SIGINT);
}

}  // namespace

BinaryResult RunBinary(const BinaryRun& run) {
  const Scratch scratch;
  BinaryResult result;
  if (!scratch.ok()) {
    ADD_FAILURE() << "no folder for temporary files";
    return result;
  }
  std::ofstream(scratch.File("in"), std::ios::binary) << run.input;
  const std::string out = run.output_path.empty() ? scratch.File("out") : run.output_path;
  const std::string err = scratch.File("err");
  const pid_t pid = Spawn(run, scratch.File("in"), out, err);
  if (pid < 0) {
    ADD_FAILURE() << "plumbline " << run.binary << " does not run";
    return result;
  }
  if (!run.interrupt_after.empty()) InterruptAfter(pid, run.interrupt_after, err);
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) ADD_FAILURE() << "waiting for the program failed";
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (run.output_path.empty()) result.out = ReadFile(out);
  result.err = ReadFile(err);
  return result;
}

BinaryResult RunPlumbline(const std::vector<std::string>& arguments) {
  BinaryRun run;
  run.arguments = arguments;
  return RunBinary(run);
}

}  // namespace plumbline
