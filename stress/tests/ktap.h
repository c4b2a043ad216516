/* SPDX-License-Identifier: GPL-2.0 */
/* Test cases as functions; main() is one line. No case needs root. */
#ifndef STRESS_TESTS_KTAP_H
#define STRESS_TESTS_KTAP_H

#include <stdbool.h>
#include <stdio.h>

struct test {
	const char *name;
	void (*run)(void);
};

static bool test_failed;

#define CHECK(cond)							\
	do {								\
		if (!(cond)) {						\
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			test_failed = true;				\
		}							\
	} while (0)

static inline int ktap_run(const struct test *tests, int n)
{
	int failed = 0;

	printf("KTAP version 1\n1..%d\n", n);
	for (int i = 0; i < n; i++) {
		test_failed = false;
		/* A case may fork: nothing buffered may be said twice. */
		fflush(stdout);
		tests[i].run();
		printf("%sok %d %s\n", test_failed ? "not " : "", i + 1,
		       tests[i].name);
		failed += test_failed;
	}
	return failed != 0;
}

#define KTAP_RUN(tests) ktap_run(tests, sizeof(tests) / sizeof((tests)[0]))

#endif /* STRESS_TESTS_KTAP_H */
