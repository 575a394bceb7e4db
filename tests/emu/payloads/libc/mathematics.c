/* SPDX-License-Identifier: BSD-2-Clause
 * Results of the mathematical functions, to be compared with those of the machine that tests. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ONE(f)   \
    {            \
#f, f, 0 \
    }
#define TWO(f)   \
    {            \
#f, 0, f \
    }

static const struct {
    const char* name;
    double (*one)(double);
    double (*two)(double, double);
} functions[] = {ONE(sin),   ONE(cos),   ONE(tan),       ONE(asin),     ONE(acos),     ONE(atan),
                 ONE(sinh),  ONE(cosh),  ONE(tanh),      ONE(asinh),    ONE(acosh),    ONE(atanh),
                 ONE(exp),   ONE(exp2),  ONE(expm1),     ONE(log),      ONE(log2),     ONE(log10),
                 ONE(log1p), ONE(sqrt),  ONE(cbrt),      ONE(erf),      ONE(floor),    ONE(ceil),
                 ONE(trunc), ONE(round), ONE(rint),      ONE(fabs),     TWO(pow),      TWO(atan2),
                 TWO(fmod),  TWO(hypot), TWO(remainder), TWO(copysign), TWO(nextafter)};

int main(void)
{
    static const double values[] = {0,    0.5, -0.5,    1,     -1,     2,  2.5,  -2.5, 0.1,
                                    1e-8, 3.7, -100.25, 355.0, 1e-300, 20, 1e10, 0.999};
    for (unsigned f = 0; f < sizeof functions / sizeof *functions; ++f) {
        for (unsigned i = 0; i < sizeof values / sizeof *values; ++i) {
            double x = values[i], y = values[(i * 5 + 3) % 17];
            double result = functions[f].one ? functions[f].one(x) : functions[f].two(x, y);
            printf("%s %a %a = %a\n", functions[f].name, x, y, result);
        }
    }
    for (int i = 0; i < 40; ++i) {
        char text[40];
        snprintf(text, sizeof text, "%.*g", 3 + i % 15, pow(1.7, 37 * i - 700));
        printf("text %s = %a\n", text, strtod(text, NULL));
    }
    int exponent;
    double fraction = frexp(-1234.5, &exponent), whole, rest = modf(-3.75, &whole);
    printf("parts %a %d %a %a = %a\n", fraction, exponent, whole, rest, ldexp(0.7, -1070));
    return 77;
}
