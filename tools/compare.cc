#include "tools/compare.h"

#include "tools/compare_loads.h"
#include "tools/compare_report.h"
#include "tools/load_json.h"
#include "tools/output.h"

namespace plumbline {

absl::Status RunCompare(const CompareOptions& options, std::ostream& out) {
  const absl::StatusOr<LoadFile> a = ReadLoadFile(options.a);
  if (!a.ok()) return a.status();
  const absl::StatusOr<LoadFile> b = ReadLoadFile(options.b);
  if (!b.ok()) return b.status();
  const absl::StatusOr<LoadComparison> comparison = CompareLoads(*a, *b);
  if (!comparison.ok()) return comparison.status();
  out << (options.json ? CompareJson(*comparison, options.a, options.b)
                       : CompareReport(*comparison, options.a, options.b, options.all));
  return FlushOutput(out);
}

}  // namespace plumbline
