// Root may read and write everything; tests of permissions have to become someone else.
#ifndef PLUMBLINE_TESTS_SUPPORT_UNPRIVILEGED_H_
#define PLUMBLINE_TESTS_SUPPORT_UNPRIVILEGED_H_

#include <unistd.h>

namespace plumbline {

// While it lives, the process is not root. Not for use beside other threads.
class Unprivileged {
 public:
  Unprivileged() : before_(geteuid()) {
    if (before_ == 0) changed_ = seteuid(kNobody) == 0;
  }
  ~Unprivileged() {
    if (changed_ && seteuid(before_) != 0) _exit(1);
  }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;

  // False where root may not become anyone else.
  bool ok() const { return before_ != 0 || changed_; }

 private:
  static constexpr uid_t kNobody = 65534;
  uid_t before_;
  bool changed_ = false;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_UNPRIVILEGED_H_
