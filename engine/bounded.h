// Numbers that know how far off they may be: running error analysis (Higham, "Accuracy and
// Stability of Numerical Algorithms", 2nd edition, section 3.3), but with the rounding error of
// each operation computed rather than bounded: a product's is fma(a, b, -fl(a b)), and so on. A
// result whose operations all came out without rounding has an error of 0: it is exact.
//
// All functions are pure. A value that overflowed or has no meaning (0/0, sqrt(-1)) is not finite,
// and its error then means nothing.
#ifndef PLUMBLINE_ENGINE_BOUNDED_H_
#define PLUMBLINE_ENGINE_BOUNDED_H_

namespace plumbline {

// The true value lies within `error` of `value`.
struct Bounded {
  double value = 0;
  double error = 0;

  bool exact() const { return error == 0; }
};

// A number that was written in decimal digits: exact where it is an integer below 2^53, else half a
// unit in the last place off at most.
Bounded FromDecimal(double value);

Bounded operator+(const Bounded& a, const Bounded& b);
Bounded operator-(const Bounded& a, const Bounded& b);
Bounded operator*(const Bounded& a, const Bounded& b);
Bounded operator/(const Bounded& a, const Bounded& b);

Bounded Min(const Bounded& a, const Bounded& b);
Bounded Max(const Bounded& a, const Bounded& b);
Bounded Sqrt(const Bounded& a);
Bounded Log2(const Bounded& a);
// Exact where both ends of the interval have one floor (ceiling), else off by one at most.
Bounded Floor(const Bounded& a);
Bounded Ceil(const Bounded& a);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_BOUNDED_H_
