// SPDX-License-Identifier: GPL-2.0
/*
 * Makes a race likely: a busy-wait at a probe, for targets only.
 *
 * Law: a delay never endangers the machine. It only spins; one hit is bounded
 * by MMRACE_WINDOW_MAX_NS, with interrupts off by a tenth of a millisecond;
 * the sum over a second is bounded for each window and CPU by the window's
 * own budget, and for each CPU over all windows by
 * MMRACE_WINDOW_MAX_BUDGET_US. So no watchdog needs to be told: the shortest
 * (RCU's, 21 s) sees a CPU that passes its quiescent states every second.
 */
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/string.h>
#include <linux/ktime.h>

#include "mmrace.h"
#include "trace.h"

#define IRQS_OFF_MAX_NS	100000U

/* Set by the user; handlers read it without a lock and bound what they read. */
struct window {
	bool		open;
	unsigned int	min_ns;
	unsigned int	max_ns;
	unsigned int	one_in;
	unsigned int	budget_us;
};

struct spent {
	u64	second;
	u64	ns;
};

struct cpu_window {
	u64		hits;
	u64		delays;
	u64		delayed_ns;
	struct spent	spent;
};

struct cpu_windows {
	u64			random;
	struct spent		spent;	/* over all windows */
	struct cpu_window	window[MMR_NR_PROBES];
};

static struct window windows[MMR_NR_PROBES];
static struct cpu_windows __percpu *cpu_windows;
static u64 seed;
static DEFINE_MUTEX(window_lock);	/* serialises changes by the user */

/* xorshift64*, Marsaglia 2003 and Vigna 2014: seeded, so a replay repeats it. */
static __always_inline u32 next_random(struct cpu_windows *cw)
{
	u64 x = cw->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	cw->random = x;
	return (x * 0x2545f4914f6cdd1dULL) >> 32;
}

static __always_inline bool may_spend(struct spent *spent, u64 now, u64 ns,
				      u64 budget_us)
{
	u64 second = now >> 30;	/* near enough, and no division */

	if (spent->second != second) {
		spent->second = second;
		spent->ns = 0;
	}
	return spent->ns + ns <= budget_us * NSEC_PER_USEC;
}

/* Whether a hit is to be delayed, and for how long. */
static __always_inline bool draw(const struct window *w, struct cpu_windows *cw, unsigned int *ns)
{
	unsigned int min_ns = READ_ONCE(w->min_ns), max_ns = READ_ONCE(w->max_ns);
	unsigned int one_in = READ_ONCE(w->one_in);

	if (one_in > 1 && next_random(cw) % one_in)
		return false;
	*ns = min_ns;
	if (max_ns > min_ns)
		*ns += next_random(cw) % (max_ns - min_ns + 1);
	*ns = min_t(unsigned int, *ns, MMRACE_WINDOW_MAX_NS);
	return true;
}

/* Returns how long it took, in ns. */
static __always_inline u64 spin(u64 start, unsigned int ns)
{
	u64 now = start;

	while (now - start < ns) {
		cpu_relax();
		now = ktime_get_mono_fast_ns();
	}
	return now - start;
}

/* @regs: what the probe interrupted, NULL when that is not known. */
void mmr_window_delay(enum mmr_probe_id id, struct pt_regs *regs)
{
	const struct window *w = &windows[id];
	bool unmask = mmr_only_trap_masks_irqs(regs);
	struct cpu_windows *cw;
	struct cpu_window *mine;
	unsigned int ns;
	u64 start, spent;

	if (!READ_ONCE(w->open))
		return;
	cw = get_cpu_ptr(cpu_windows);
	mine = &cw->window[id];
	mine->hits++;
	if (!draw(w, cw, &ns))
		goto out;
	if (irqs_disabled() && !unmask)
		ns = min(ns, IRQS_OFF_MAX_NS);
	start = ktime_get_mono_fast_ns();
	if (!may_spend(&mine->spent, start, ns, READ_ONCE(w->budget_us)) ||
	    !may_spend(&cw->spent, start, ns, MMRACE_WINDOW_MAX_BUDGET_US))
		goto out;
	/* A probe that an interrupt hits meanwhile is missed, as this one still runs. */
	if (unmask)
		local_irq_enable();
	spent = spin(start, ns);
	if (unmask)
		local_irq_disable();
	mine->spent.ns += spent;
	cw->spent.ns += spent;
	mine->delays++;
	mine->delayed_ns += spent;
	trace_window_delay(mmr_probes[id].name, spent);
out:
	put_cpu_ptr(cpu_windows);
}
NOKPROBE_SYMBOL(mmr_window_delay);

void mmr_window_seed(u64 new_seed)
{
	int cpu;

	mutex_lock(&window_lock);
	seed = new_seed;
	for_each_possible_cpu(cpu) {
		/* splitmix64's increment keeps the CPUs' streams apart; zero is a fixed point. */
		u64 x = seed + (cpu + 1) * 0x9e3779b97f4a7c15ULL;

		per_cpu_ptr(cpu_windows, cpu)->random = x ?: 1;
	}
	mutex_unlock(&window_lock);
}

u64 mmr_window_get_seed(void)
{
	return READ_ONCE(seed);
}

int mmr_window_init(void)
{
	cpu_windows = alloc_percpu(struct cpu_windows);
	if (!cpu_windows)
		return -ENOMEM;
	mmr_window_seed(get_random_u32());
	return 0;
}

void mmr_window_exit(void)
{
	free_percpu(cpu_windows);
}

void mmr_window_reset(void)
{
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu) {
		struct cpu_windows *cw = per_cpu_ptr(cpu_windows, cpu);

		for (i = 0; i < MMR_NR_PROBES; i++) {
			WRITE_ONCE(cw->window[i].hits, 0);
			WRITE_ONCE(cw->window[i].delays, 0);
			WRITE_ONCE(cw->window[i].delayed_ns, 0);
		}
	}
}

/* === Asked by the user === */

static int find_window(const char *name)
{
	unsigned int i;

	for (i = 0; i < MMR_NR_PROBES; i++)
		if (mmr_probes[i].has_window && !strcmp(mmr_probes[i].name, name))
			return i;
	return -EINVAL;
}

static int open_window(struct window *w, char *args)
{
	unsigned int min_ns, max_ns, one_in, budget_us;
	char end;

	if (sscanf(args, "%u %u 1/%u %u%c", &min_ns, &max_ns, &one_in,
		   &budget_us, &end) != 4)
		return -EINVAL;
	if (min_ns > max_ns || max_ns > MMRACE_WINDOW_MAX_NS || !one_in ||
	    budget_us > MMRACE_WINDOW_MAX_BUDGET_US)
		return -EINVAL;
	WRITE_ONCE(w->min_ns, min_ns);
	WRITE_ONCE(w->max_ns, max_ns);
	WRITE_ONCE(w->one_in, one_in);
	WRITE_ONCE(w->budget_us, budget_us);
	WRITE_ONCE(w->open, true);
	return 0;
}

int mmr_window_set(char *request)
{
	char *name = strsep(&request, " ");
	int i, err = 0;

	mutex_lock(&window_lock);
	if (!strcmp(name, "off") && !request) {
		for (i = 0; i < MMR_NR_PROBES; i++)
			WRITE_ONCE(windows[i].open, false);
	} else {
		i = find_window(name);
		if (i < 0 || !request)
			err = -EINVAL;
		else if (!strcmp(request, "off"))
			WRITE_ONCE(windows[i].open, false);
		else
			err = open_window(&windows[i], request);
	}
	mutex_unlock(&window_lock);
	return err;
}

void mmr_window_show(struct seq_file *m)
{
	unsigned int i;
	int cpu;

	mutex_lock(&window_lock);
	for (i = 0; i < MMR_NR_PROBES; i++) {
		const struct window *w = &windows[i];
		u64 hits = 0, delays = 0, delayed_ns = 0;

		if (!mmr_probes[i].has_window)
			continue;
		for_each_possible_cpu(cpu) {
			const struct cpu_window *cw =
				&per_cpu_ptr(cpu_windows, cpu)->window[i];

			hits += READ_ONCE(cw->hits);
			delays += READ_ONCE(cw->delays);
			delayed_ns += READ_ONCE(cw->delayed_ns);
		}
		seq_printf(m, "%s %u %u 1/%u %u %s %llu %llu %llu\n",
			   mmr_probes[i].name, w->min_ns, w->max_ns,
			   w->one_in ?: 1, w->budget_us,
			   w->open ? "open" : "off", hits, delays, delayed_ns);
	}
	mutex_unlock(&window_lock);
}
