// Kernel documentation: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst;
// proc_pid_mountinfo(5), cgroups(7).
#include "engine/cgroup.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace plumbline {
namespace {

// A mounted hierarchy: the group `root` of the hierarchy is seen at the folder `mount_point`.
struct Hierarchy {
  std::string root;
  std::string mount_point;
};

// Version 2 where `controller` is empty, else the version 1 hierarchy with that controller.
Hierarchy FindHierarchy(const std::string& proc_root, absl::string_view controller) {
  const std::string mounts = ReadSmallFile(proc_root + "/proc/self/mountinfo");
  for (const absl::string_view line : absl::StrSplit(mounts, '\n')) {
    // id parent device root mount_point options [optional fields] - type source super_options
    const std::vector<absl::string_view> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    if (halves.size() != 2) continue;
    const std::vector<absl::string_view> left = absl::StrSplit(halves[0], ' ');
    const std::vector<absl::string_view> right = absl::StrSplit(halves[1], ' ');
    if (left.size() < 5 || right.size() < 3) continue;
    const std::vector<absl::string_view> controllers = absl::StrSplit(right[2], ',');
    const bool found = controller.empty()
                           ? right[0] == "cgroup2"
                           : right[0] == "cgroup" && absl::c_linear_search(controllers, controller);
    if (found) return {std::string(left[3]), std::string(left[4])};
  }
  return {"/", controller.empty() ? "/sys/fs/cgroup" : absl::StrCat("/sys/fs/cgroup/", controller)};
}

// This process's group in that hierarchy; none where it is in none.
std::optional<std::string> FindGroup(const std::string& proc_root, absl::string_view controller) {
  const std::string groups = ReadSmallFile(proc_root + "/proc/self/cgroup");
  for (const absl::string_view line : absl::StrSplit(groups, '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    const std::vector<absl::string_view> controllers = absl::StrSplit(fields[1], ',');
    const bool found = controller.empty() ? fields[0] == "0" && fields[1].empty()
                                          : absl::c_linear_search(controllers, controller);
    if (found) return std::string(fields[2]);
  }
  return std::nullopt;
}

// The folders of the process's group and of all groups above it that can be seen, innermost first.
std::vector<std::string> Levels(const std::string& proc_root, absl::string_view controller) {
  const std::optional<std::string> group = FindGroup(proc_root, controller);
  if (!group) return {};
  const Hierarchy hierarchy = FindHierarchy(proc_root, controller);
  // In a container the mount may show a part of the tree only: a group outside of it, or one above
  // the namespace's root ("/../x"), is seen as the mount point itself.
  absl::string_view inner = *group;
  const absl::string_view above = absl::StripSuffix(hierarchy.root, "/");
  if (!absl::ConsumePrefix(&inner, above) || absl::StrContains(inner, "..") ||
      !(inner.empty() || inner.front() == '/')) {
    inner = "";
  }
  std::vector<std::string> levels;
  for (inner = absl::StripSuffix(inner, "/"); !inner.empty();
       inner = inner.substr(0, inner.rfind('/'))) {
    levels.push_back(absl::StrCat(proc_root, hierarchy.mount_point, inner));
  }
  levels.push_back(absl::StrCat(proc_root, hierarchy.mount_point));
  return levels;
}

std::optional<int64_t> ReadNumber(const std::string& path) {
  int64_t value = 0;
  if (!absl::SimpleAtoi(ReadSmallFile(path), &value)) return std::nullopt;
  return value;
}

// The value of a `name value` line; 0 where there is none.
int64_t ReadStat(const std::string& path, absl::string_view name) {
  const std::string text = ReadSmallFile(path);
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    int64_t value = 0;
    if (pair.first == name && absl::SimpleAtoi(pair.second, &value)) return value;
  }
  return 0;
}

struct MemoryFiles {
  const char* limit;
  const char* usage;
  const char* reclaimable;  // line of memory.stat, groups below included
};
constexpr MemoryFiles kVersion1 = {"/memory.limit_in_bytes", "/memory.usage_in_bytes",
                                   "total_inactive_file"};
constexpr MemoryFiles kVersion2 = {"/memory.max", "/memory.current", "inactive_file"};

void ApplyMemory(const std::string& level, const MemoryFiles& files, CgroupLimits& limits) {
  // Version 1 says "no limit" by the largest page-aligned number, version 2 by "max".
  constexpr int64_t kUnlimited = int64_t{1} << 60;
  const std::optional<int64_t> limit = ReadNumber(level + files.limit);
  if (!limit || *limit < 0 || *limit >= kUnlimited) return;
  const int64_t usage = std::max<int64_t>(ReadNumber(level + files.usage).value_or(0), 0);
  const int64_t reclaimable = ReadStat(level + "/memory.stat", files.reclaimable);
  const int64_t used = usage - std::clamp<int64_t>(reclaimable, 0, usage);
  const int64_t free_bytes = std::max<int64_t>(*limit - used, 0);
  limits.memory_limit_bytes = std::min(limits.memory_limit_bytes, *limit);
  if (free_bytes < limits.free_memory_bytes) {
    limits.free_memory_bytes = free_bytes;
    limits.free_memory_file = level + files.limit;
  }
}

void ApplyQuota(std::optional<int64_t> quota_us, std::optional<int64_t> period_us,
                CgroupLimits& limits) {
  if (!quota_us || !period_us || *quota_us <= 0 || *period_us <= 0) return;
  limits.cpus =
      std::min(limits.cpus, static_cast<double>(*quota_us) / static_cast<double>(*period_us));
}

void ApplyCpuMax(const std::string& level, CgroupLimits& limits) {
  const std::string text = ReadSmallFile(level + "/cpu.max");  // "max 100000" or "150000 100000"
  const std::pair<absl::string_view, absl::string_view> pair =
      absl::StrSplit(text, absl::MaxSplits(' ', 1));
  int64_t quota_us = 0;
  int64_t period_us = 0;
  if (!absl::SimpleAtoi(pair.first, &quota_us) || !absl::SimpleAtoi(pair.second, &period_us)) {
    return;
  }
  ApplyQuota(quota_us, period_us, limits);
}

}  // namespace

std::string ReadSmallFile(const std::string& path, size_t max_bytes) {
  std::ifstream file(path, std::ios::binary);
  std::string text(max_bytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(max_bytes));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return text;
}

CgroupLimits ReadCgroupLimits(const std::string& root) {
  CgroupLimits limits;
  for (const std::string& level : Levels(root, "")) {
    ApplyMemory(level, kVersion2, limits);
    ApplyCpuMax(level, limits);
  }
  for (const std::string& level : Levels(root, "memory")) ApplyMemory(level, kVersion1, limits);
  for (const std::string& level : Levels(root, "cpu")) {
    ApplyQuota(ReadNumber(level + "/cpu.cfs_quota_us"), ReadNumber(level + "/cpu.cfs_period_us"),
               limits);
  }
  return limits;
}

}  // namespace plumbline
