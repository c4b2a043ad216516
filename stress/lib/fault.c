// SPDX-License-Identifier: GPL-2.0
/*
 * Faults as ends of loops. The jump leaves the handler without restoring the
 * signal mask, which SA_NODEFER left alone: no system call on this path but the
 * signal's own.
 */
#include <setjmp.h>
#include <signal.h>

#include "core.h"

static _Thread_local struct {
	sigjmp_buf jmp;
	uintptr_t start, end;
	volatile bool armed;
} catcher;

static void handler(int sig, siginfo_t *info, void *context)
{
	/* s390 reports the page of the fault only. */
	uintptr_t addr = (uintptr_t)info->si_addr & -race_page_size();

	(void)context;
	if (catcher.armed && addr >= catcher.start && addr < catcher.end) {
		catcher.armed = false;
		siglongjmp(catcher.jmp, 1);
	}
	/* Ours alone: the access repeats and dies of it. */
	signal(sig, SIG_DFL);
}

void fault_begin(void)
{
	struct sigaction sa = {
		.sa_sigaction = handler,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	/* The page size must be known before a handler asks for it. */
	race_page_size();
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

bool race_until_fault(void (*body)(void *arg), void *arg,
		      const void *start, size_t len)
{
	catcher.start = (uintptr_t)start & -race_page_size();
	catcher.end = (uintptr_t)start + len;
	if (sigsetjmp(catcher.jmp, 0))
		return true;
	catcher.armed = true;
	body(arg);
	catcher.armed = false;
	return false;
}
