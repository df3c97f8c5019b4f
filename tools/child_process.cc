#include "tools/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace plumbline {
namespace {

using SteadyTime = std::chrono::steady_clock;

// A descriptor that is closed at the end, and never passed on to a child by accident.
class Descriptor {
 public:
  Descriptor() = default;
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  // Takes over `file`, moved above the three standard ones, which may be closed in this process.
  bool Take(int file) {
    file_ = fcntl(file, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(file);
    return file_ >= 0;
  }
  void Close() {
    if (file_ >= 0) close(std::exchange(file_, -1));
  }
  int file() const { return file_; }

 private:
  int file_ = -1;
};

struct Channel {
  Descriptor ours;
  Descriptor theirs;
};

// A pair of sockets rather than a pipe: send() can leave out SIGPIPE, write() cannot.
bool Open(Channel& channel) {
  std::array<int, 2> files = {};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, files.data()) != 0) return false;
  const bool ours = channel.ours.Take(files[0]);
  return channel.theirs.Take(files[1]) && ours;
}

absl::Status SystemError(const std::string& program, int error) {
  const std::string message =
      absl::StrCat(program, ": the program needs to start but has the system's answer '",
                   std::generic_category().message(error), "'");
  if (error == ENOENT || error == ENOTDIR) return absl::NotFoundError(message);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(message);
  return absl::UnknownError(message);
}

// Gives the error of posix_spawnp, 0 for none.
int Spawn(const ChildRun& run, const std::array<Channel, 3>& channels, pid_t& pid) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  for (int file = 0; file < 3; ++file) {
    posix_spawn_file_actions_adddup2(&files, channels[file].theirs.file(), file);
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  std::vector<std::string> arguments = run.arguments;
  arguments.insert(arguments.begin(), run.program);
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const int error =
      posix_spawnp(&pid, run.program.c_str(), &files, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return error;
}

// Ends the program and whatever it started, unless it was seen to end.
class Reaper {
 public:
  explicit Reaper(pid_t pid) : pid_(pid) {}
  ~Reaper() {
    if (ended_) return;
    kill(-pid_, SIGKILL);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  }
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  // False where the program still runs at the deadline.
  bool WaitUntil(SteadyTime::time_point deadline, int& exit_code) {
    int status = 0;
    while (waitpid(pid_, &status, WNOHANG) != pid_) {
      if (SteadyTime::now() >= deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    ended_ = true;
    exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
  }

 private:
  const pid_t pid_;
  bool ended_ = false;
};

// Sends what the socket takes now; closes it at the end, or when nobody listens any more.
void Feed(Descriptor& socket, absl::string_view& input) {
  const ssize_t sent = send(socket.file(), input.data(), input.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (sent > 0) input.remove_prefix(static_cast<size_t>(sent));
  if (sent < 0 || input.empty()) socket.Close();
}

// Reads what is there; closes at the end of the file.
void Drain(Descriptor& socket, std::string& output) {
  std::array<char, 65536> buffer;
  const ssize_t got = recv(socket.file(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0) output.append(buffer.data(), static_cast<size_t>(got));
  if (got <= 0) socket.Close();
}

absl::Status TooLate(const ChildRun& run) {
  return absl::DeadlineExceededError(absl::StrCat(run.program, ": the program needs to end within ",
                                                  absl::FormatDuration(run.time_limit),
                                                  " but still ran; it was stopped"));
}

absl::Status Exchange(const ChildRun& run, std::array<Channel, 3>& channels,
                      SteadyTime::time_point deadline, ChildResult& result) {
  absl::string_view input = run.input;
  Descriptor& in = channels[0].ours;
  Descriptor& out = channels[1].ours;
  Descriptor& err = channels[2].ours;
  if (input.empty()) in.Close();
  while (out.file() >= 0 || err.file() >= 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - SteadyTime::now()).count();
    if (left <= 0) return TooLate(run);
    // poll() passes over negative descriptors.
    std::array<pollfd, 3> waits = {pollfd{in.file(), POLLOUT, 0}, pollfd{out.file(), POLLIN, 0},
                                   pollfd{err.file(), POLLIN, 0}};
    constexpr int64_t kLongestWaitMs = 1000;
    if (poll(waits.data(), waits.size(), static_cast<int>(std::min(left, kLongestWaitMs))) < 0) {
      if (errno == EINTR) continue;
      return SystemError(run.program, errno);
    }
    if (waits[0].revents != 0) Feed(in, input);
    if (waits[1].revents != 0) Drain(out, result.out);
    if (waits[2].revents != 0) Drain(err, result.err);
    if (std::max(result.out.size(), result.err.size()) > run.max_output_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(run.program, ": the program needs to write at most ", run.max_output_bytes,
                       " bytes but wrote more; it was stopped"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ChildResult> RunChild(const ChildRun& run) {
  std::array<Channel, 3> channels;
  for (Channel& channel : channels) {
    if (!Open(channel)) return SystemError(run.program, errno);
  }
  const SteadyTime::time_point deadline =
      SteadyTime::now() + absl::ToChronoMilliseconds(std::min(run.time_limit, absl::Hours(24)));
  pid_t pid = -1;
  if (const int error = Spawn(run, channels, pid); error != 0) {
    return SystemError(run.program, error);
  }
  Reaper reaper(pid);
  for (Channel& channel : channels) channel.theirs.Close();
  ChildResult result;
  if (absl::Status status = Exchange(run, channels, deadline, result); !status.ok()) return status;
  channels[0].ours.Close();
  if (!reaper.WaitUntil(deadline, result.exit_code)) return TooLate(run);
  return result;
}

}  // namespace plumbline
