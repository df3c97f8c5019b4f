// Stand-ins for gnuplot, and whether the real one is here.
#ifndef PLUMBLINE_TESTS_SUPPORT_GNUPLOT_H_
#define PLUMBLINE_TESTS_SUPPORT_GNUPLOT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace plumbline {

// Where it is not, tests that draw say SKIPPED.
bool HasGnuplot();

// A program that runs these lines of sh, removed at the end.
class FakeProgram {
 public:
  explicit FakeProgram(absl::string_view lines);
  ~FakeProgram();
  FakeProgram(const FakeProgram&) = delete;
  FakeProgram& operator=(const FakeProgram&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Lines of sh that read what is sent and write a small picture of ids and a script.
inline constexpr absl::string_view kDrawsSomething = R"(cat > /dev/null
cat <<'END'
<?xml version="1.0"?>
<svg viewBox="0 0 720 440" xmlns="http://www.w3.org/2000/svg">
<title>Gnuplot</title><script>alert(1)</script><g id='a'><use href='#a'/></g>
</svg>
END
)";

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_GNUPLOT_H_
