// Whether a sanitizer watches this build.
#ifndef PLUMBLINE_TESTS_SUPPORT_SANITIZED_H_
#define PLUMBLINE_TESTS_SUPPORT_SANITIZED_H_

namespace plumbline {

// Sanitizers keep shadows and freed memory: what the process has is then not what was asked for.
constexpr bool IsSanitized() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  return false;
#endif
}

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_SANITIZED_H_
