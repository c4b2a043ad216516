// SPDX-License-Identifier: GPL-2.0
/* The actors, and the rounds that they run in step. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core.h"

#define ACTORS_MAX	16
#define SPINS		2000	/* before sleeping until the round is prepared */
#define GO_SPINS	50000	/* at the very start, where skew spoils the round */
#define CONTROL_ENOUGH	3	/* failed rounds: no accident, and all that a control is for */

static struct {
	pthread_t thread;
	pid_t pid;
} running[ACTORS_MAX];
static unsigned int nactors, nleaders;

static _Thread_local unsigned int self;	/* 0 is main, n the n-th actor */
static _Thread_local struct rng rng;
static _Thread_local bool is_actor;

static volatile sig_atomic_t interrupted;

bool rounds_is_main(void)
{
	return !is_actor && getpid() == core->main_pid;
}

uint64_t race_round(void)
{
	return core->round;
}

bool race_over(void)
{
	return atomic_load_explicit(&core->over, memory_order_relaxed);
}

struct rng *race_rng(void)
{
	return &rng;
}

uint64_t race_sweep(uint64_t span)
{
	return jitter_sweep(args.seed + self, core->round, span);
}

void race_delay(uint64_t ns)
{
	uint64_t end = race_now_ns() + ns;

	while (race_now_ns() < end)
		race_relax();
}

static bool actor_gives_up(void)
{
	return atomic_load(&core->stop);
}

static void act(const struct race_actor *a)
{
	rng_init(&rng, args.seed, core->round, self);
	a->act();
	if (!a->loops && atomic_fetch_sub(&core->leaders, 1) == 1)
		atomic_store(&core->over, 1);
}

static void *actor_main(void *arg)
{
	const struct race_actor *a = arg;

	is_actor = true;
	self = (unsigned int)(a - race.actors) + 1;
	race_pin(self);
	for (;;) {
		if (!barrier_wait(&core->start, actor_gives_up) ||
		    actor_gives_up())
			return NULL;
		if (!barrier_wait(&core->go, actor_gives_up))
			return NULL;
		act(a);
		if (!barrier_wait(&core->done, actor_gives_up))
			return NULL;
	}
}

static void on_signal(int sig)
{
	interrupted = sig;
	/* Main may itself be in a loop that only this ends. */
	atomic_store(&core->over, 1);
}

/* Why main should not wait for the others any longer. */
static bool main_gives_up(void)
{
	int status;

	if (interrupted || atomic_load(&core->reason_set))
		return true;
	for (unsigned int i = 0; i < nactors; i++) {
		if (running[i].pid <= 0 ||
		    waitpid(running[i].pid, &status, WNOHANG) <= 0)
			continue;
		running[i].pid = 0;
		if (WIFSIGNALED(status))
			race_error("actor %s died of signal %d (%s)",
				   race.actors[i].name, WTERMSIG(status),
				   strsignal(WTERMSIG(status)));
		race_error("actor %s ended with status %d", race.actors[i].name,
			   WEXITSTATUS(status));
	}
	return false;
}

static void start_process(const struct race_actor *a, unsigned int i)
{
	pid_t parent = getpid();

	running[i].pid = fork();
	if (running[i].pid < 0)
		race_error("fork: %s", strerror(errno));
	if (running[i].pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, a->name);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	/* The parent may have died before it could be our death's cause. */
	if (getppid() == parent)
		actor_main((void *)a);
	_exit(0);
}

static void start_thread(const struct race_actor *a, unsigned int i)
{
	int err = pthread_create(&running[i].thread, NULL, actor_main, (void *)a);

	if (err)
		race_error("pthread_create: %s", strerror(err));
}

void rounds_signals(void)
{
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGHUP, on_signal);
}

void rounds_begin(void)
{
	unsigned int n = 0, parties, spins;
	sigset_t ours, old;

	while (race.actors && race.actors[n].name)
		n++;
	if (n > ACTORS_MAX)
		race_error("too many actors");
	parties = n + 1;
	spins = race_cpus() >= parties;
	barrier_init(&core->start, parties, spins * SPINS);
	barrier_init(&core->go, parties, spins * GO_SPINS);
	barrier_init(&core->done, parties, 0);

	/* Processes first: a fork copies only the calling thread. */
	for (unsigned int i = 0; i < n; i++)
		if (race.actors[i].process)
			start_process(&race.actors[i], i);
	nactors = n;
	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &ours, &old);
	for (unsigned int i = 0; i < n; i++) {
		if (!race.actors[i].process)
			start_thread(&race.actors[i], i);
		nleaders += !race.actors[i].loops;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	nleaders += race.main_act != NULL;
	race_pin(0);
}

static void one_round(void)
{
	rng_init(&rng, args.seed, core->round, 0);
	if (race.prepare)
		race.prepare();
	atomic_store(&core->over, 0);
	atomic_store(&core->leaders, nleaders);
	if (!barrier_wait(&core->start, main_gives_up) ||
	    !barrier_wait(&core->go, main_gives_up))
		return;
	if (race.main_act) {
		race.main_act();
		if (atomic_fetch_sub(&core->leaders, 1) == 1)
			atomic_store(&core->over, 1);
	}
	if (!barrier_wait(&core->done, main_gives_up))
		return;
	if (race.judge)
		race.judge();
	atomic_fetch_add(&core->round, 1);
}

void rounds_run(void)
{
	unsigned int failed = 0;
	uint64_t end, before;
	char reason[64];

	core->started_ns = race_now_ns();
	end = core->started_ns + (uint64_t)(args.duration_s * 1e9);
	while (race_now_ns() < end) {
		before = core->failures;
		one_round();
		atomic_fetch_add(&core->beat, 1);
		if (atomic_load(&core->reason_set))
			finish(core->verdict - 1, core->reason);
		if (interrupted) {
			snprintf(reason, sizeof(reason), "interrupted: %s",
				 strsignal(interrupted));
			finish(core->failures ? STATUS_FAIL : STATUS_ERROR,
			       reason);
		}
		report_progress();
		failed += core->failures != before;
		if (args.mode == MODE_CONTROL && failed == CONTROL_ENOUGH)
			break;
	}
}

/* Ends the actors; those that do not come along are killed, not waited for. */
void rounds_end(void)
{
	atomic_store(&core->over, 1);
	atomic_store(&core->stop, 1);
	for (unsigned int i = 0; i < nactors; i++) {
		if (running[i].pid <= 0)
			continue;
		kill(running[i].pid, SIGKILL);
		waitpid(running[i].pid, NULL, 0);
		running[i].pid = 0;
	}
}
