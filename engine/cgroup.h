// What the control groups of this process allow it.
#ifndef PLUMBLINE_ENGINE_CGROUP_H_
#define PLUMBLINE_ENGINE_CGROUP_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

namespace plumbline {

struct CgroupLimits {
  // What the tightest level leaves: its limit less what it uses; file pages that the kernel would
  // give up first (inactive_file) do not count as used. Largest int64_t where nothing limits.
  int64_t free_memory_bytes = std::numeric_limits<int64_t>::max();
  std::string free_memory_file;  // the file with the limit behind free_memory_bytes; "" for none
  int64_t memory_limit_bytes = std::numeric_limits<int64_t>::max();  // the least limit of any level
  double cpus = std::numeric_limits<double>::infinity();             // the least CPU quota
};

// Looks at every level from this process's groups up to the root of each hierarchy, versions 1 and
// 2 (mixed also), below `root` ("" for the real ones). Missing or unreadable files are no limit.
// Safe from any thread.
CgroupLimits ReadCgroupLimits(const std::string& root);

// The first `max_bytes` of a small file; "" where it cannot be read.
std::string ReadSmallFile(const std::string& path, size_t max_bytes = size_t{1} << 20);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_CGROUP_H_
