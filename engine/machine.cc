#include "engine/machine.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <memory>
#include <thread>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "engine/cgroup.h"

namespace plumbline {
namespace {

// As /proc/cpuinfo spells them; oldest first.
constexpr absl::string_view kFeatures[] = {
    "sse4_1",   "avx",      "f16c",        "fma",         "avx2",     "avx512f",
    "avx512dq", "avx512bw", "avx512vl",    "avx512_vnni", "avx_vnni", "amx_tile",
    "amx_int8", "amx_bf16", "avx512_bf16", "avx512_fp16",
};

// oneDNN's words for instruction sets without bf16 products.
constexpr absl::string_view kLackBf16[] = {
    "SSE41",           "AVX",         "AVX2",
    "AVX2_VNNI",       "AVX2_VNNI_2", "AVX512_MIC",
    "AVX512_MIC_4OPS", "AVX512_CORE", "AVX512_CORE_VNNI",
};

// Whether oneDNN is held to one of these instruction sets.
bool HeldBack(absl::Span<const absl::string_view> to) {
  // It reads the first of these that is set, in any case, and takes unknown words as "all".
  const char* max_isa = std::getenv("ONEDNN_MAX_CPU_ISA");
  if (max_isa == nullptr) max_isa = std::getenv("DNNL_MAX_CPU_ISA");
  if (max_isa == nullptr) return false;
  return absl::c_any_of(
      to, [max_isa](absl::string_view isa) { return absl::EqualsIgnoreCase(isa, max_isa); });
}

// The value of the first `name : value` line; "" where there is none.
absl::string_view FindField(absl::string_view text, absl::string_view name) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (absl::StripAsciiWhitespace(pair.first) == name) {
      return absl::StripAsciiWhitespace(pair.second);
    }
  }
  return "";
}

void ReadCpu(const std::string& root, Machine& machine) {
  const std::string text = ReadSmallFile(root + "/proc/cpuinfo");
  machine.cpu_model = std::string(FindField(text, "model name"));
  const std::vector<absl::string_view> flags = absl::StrSplit(FindField(text, "flags"), ' ');
  for (const absl::string_view feature : kFeatures) {
    if (absl::c_linear_search(flags, feature)) machine.features.emplace_back(feature);
  }
}

// Cores this thread may run on; the set is grown until the kernel's fits.
int AffinityCores() {
  struct Free {
    void operator()(cpu_set_t* set) const { CPU_FREE(set); }
  };
  constexpr int kMaxCpus = 1 << 16;
  for (int cpus = 1024; cpus <= kMaxCpus; cpus *= 2) {
    const std::unique_ptr<cpu_set_t, Free> set(CPU_ALLOC(cpus));
    const size_t bytes = CPU_ALLOC_SIZE(cpus);
    if (sched_getaffinity(0, bytes, set.get()) == 0) return CPU_COUNT_S(bytes, set.get());
    if (errno != EINVAL) break;
  }
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// A line `name: 123 kB` in bytes; the largest int64_t where there is none.
int64_t MeminfoBytes(absl::string_view text, absl::string_view name) {
  constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  int64_t kib = 0;
  if (!absl::SimpleAtoi(absl::StripSuffix(FindField(text, name), "kB"), &kib)) return kNone;
  return kib < 0 || kib > kNone / 1024 ? kNone : kib * 1024;
}

// The largest of the first CPU's caches; 0 where the system does not say.
int64_t ReadLastLevelCache(const std::string& root) {
  constexpr int kMostCaches = 8;
  int64_t largest = 0;
  for (int i = 0; i < kMostCaches; ++i) {
    const std::string text =
        ReadSmallFile(absl::StrCat(root, "/sys/devices/system/cpu/cpu0/cache/index", i, "/size"));
    int64_t kib = 0;
    const absl::string_view number = absl::StripSuffix(absl::StripAsciiWhitespace(text), "K");
    if (!absl::SimpleAtoi(number, &kib) || kib > std::numeric_limits<int64_t>::max() / 1024)
      continue;
    largest = std::max(largest, kib * 1024);
  }
  return largest;
}

}  // namespace

bool Machine::Has(const char* feature) const { return absl::c_linear_search(features, feature); }

Machine DetectMachine(const std::string& root) {
  Machine machine;
  ReadCpu(root, machine);
  const CgroupLimits limits = ReadCgroupLimits(root);
  machine.cores = std::max(1, AffinityCores());
  // A part of a core is no core: threads past the quota are stopped for the rest of each period,
  // and all others then wait for them.
  if (limits.cpus < machine.cores) {
    machine.cores = std::max(1, static_cast<int>(std::floor(limits.cpus)));
  }
  const std::string meminfo = ReadSmallFile(root + "/proc/meminfo");
  machine.free_memory_bytes = MeminfoBytes(meminfo, "MemAvailable");
  machine.memory_limit = "MemAvailable";
  if (limits.free_memory_bytes < machine.free_memory_bytes) {
    machine.free_memory_bytes = limits.free_memory_bytes;
    machine.memory_limit = limits.free_memory_file;
  }
  machine.last_level_cache_bytes = ReadLastLevelCache(root);
  machine.total_memory_bytes =
      std::min(MeminfoBytes(meminfo, "MemTotal"), limits.memory_limit_bytes);
  return machine;
}

namespace {

bool HasAll(std::initializer_list<const char*> features) {
  const Machine machine = DetectMachine();
  return absl::c_all_of(features, [&](const char* feature) { return machine.Has(feature); });
}

}  // namespace

// Beside the products of bf16, what the vectors of attention over a bf16 cache use.
bool HasFastBf16() {
  return HasAll({"avx512_bf16", "avx512bw", "avx512dq", "avx512vl"}) && !HeldBack(kLackBf16);
}

bool HasTiles() {
  return HasFastBf16() && HasAll({"amx_tile", "amx_bf16", "amx_int8"}) &&
         !HeldBack({"AVX512_CORE_BF16"});
}

}  // namespace plumbline
