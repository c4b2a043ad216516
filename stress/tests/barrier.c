// SPDX-License-Identifier: GPL-2.0
#include "barrier.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core.h"
#include "ktap.h"

#define PARTIES	4
#define TURNS	300

const struct race race = { .name = "barrier" };

static struct shared {
	struct barrier b;
	atomic_uint turn[PARTIES];
	atomic_uint ahead;	/* times that somebody was not where it should be */
} *s;

static void *party(void *arg)
{
	atomic_uint *mine = arg;

	for (unsigned int i = 1; i <= TURNS; i++) {
		atomic_store(mine, i);
		barrier_wait(&s->b, NULL);
		/* All have begun this turn, none has begun the next. */
		for (int p = 0; p < PARTIES; p++)
			if (atomic_load(&s->turn[p]) != i)
				atomic_fetch_add(&s->ahead, 1);
		barrier_wait(&s->b, NULL);
	}
	return NULL;
}

static void begin(unsigned int spins)
{
	barrier_init(&s->b, PARTIES, spins);
	for (int p = 0; p < PARTIES; p++)
		atomic_store(&s->turn[p], 0);
	atomic_store(&s->ahead, 0);
}

static void threads(void)
{
	for (unsigned int spins = 0; spins <= 1000; spins += 1000) {
		pthread_t t[PARTIES];

		begin(spins);
		for (int p = 0; p < PARTIES; p++)
			pthread_create(&t[p], NULL, party, &s->turn[p]);
		for (int p = 0; p < PARTIES; p++)
			pthread_join(t[p], NULL);
		CHECK(!s->ahead);
		CHECK(s->turn[0] == TURNS);
	}
}

static void processes(void)
{
	for (unsigned int spins = 0; spins <= 1000; spins += 1000) {
		begin(spins);
		for (int p = 0; p < PARTIES; p++) {
			if (fork())
				continue;
			party(&s->turn[p]);
			_exit(0);
		}
		while (wait(NULL) > 0)
			;
		CHECK(!s->ahead);
		CHECK(s->turn[PARTIES - 1] == TURNS);
	}
}

static unsigned int asked;

static bool broken(void)
{
	return ++asked == 3;
}

static void nobody_comes(void)
{
	begin(0);
	asked = 0;
	CHECK(!barrier_wait(&s->b, broken));
	CHECK(asked == 3);
}

int main(void)
{
	static const struct test tests[] = {
		{ "barrier: threads", threads },
		{ "barrier: processes", processes },
		{ "barrier: nobody comes", nobody_comes },
	};

	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return s == MAP_FAILED ? 1 : KTAP_RUN(tests);
}
