#include "engine/process_memory.h"

#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "engine/cgroup.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace plumbline {

absl::StatusOr<int64_t> AnonymousResidentBytes(const std::string& root) {
  const std::string path = root + "/proc/self/smaps_rollup";
  const std::string text = ReadSmallFile(path);
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, "Anonymous:")) continue;
    int64_t kib = 0;
    if (absl::ConsumeSuffix(&line, "kB") && absl::SimpleAtoi(line, &kib) && kib >= 0 &&
        kib <= std::numeric_limits<int64_t>::max() / 1024) {
      return kib * 1024;
    }
  }
  return absl::UnavailableError(absl::StrCat(
      "resident memory is not known: ", path,
      " has no line \"Anonymous: N kB\"; a kernel of 4.14 or later with /proc mounted is needed"));
}

void ReleaseFreeMemory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace plumbline
