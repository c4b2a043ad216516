// SPDX-License-Identifier: GPL-2.0
/*
 * Findings: breaches of a law, one record for each law and task, with a count.
 *
 * Handlers only try for the lock. Who does not get it, as when a reader or
 * another CPU is at it, drops its finding and counts it as dropped; so does
 * who finds the table full.
 */
#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "mmrace.h"
#include "trace.h"

#define MAX_FINDINGS	64

struct finding {
	enum mmr_checker	checker;
	char			comm[TASK_COMM_LEN];
	pid_t			pid;
	int			cpu;
	struct mm_struct	*mm;
	unsigned long		addr;
	const char		*what;
	u64			time_ns;
	u64			count;
};

struct checker {
	const char	*name;
	const char	*theme;
	const char	*law;
	const char	*(*decides)(void);	/* NULL, or why it cannot */
	void		(*forge)(void);
	bool		enabled;
};

#define CHECKER(id_, name_, theme_, fn_, law_)	\
	[MMR_CHECK_##id_] = {			\
		.name = name_,			\
		.theme = theme_,		\
		.law = law_,			\
		.decides = mmr_decides_##fn_,	\
		.forge = mmr_forge_##fn_,	\
	},

static struct checker checkers[] = {
#include "checkers.def"
};

#undef CHECKER

static DEFINE_RAW_SPINLOCK(findings_lock);	/* findings, nr_findings */
static struct finding findings[MAX_FINDINGS];
static unsigned int nr_findings;
static atomic64_t dropped;

static struct finding *find_finding(enum mmr_checker checker, const char *what)
{
	unsigned int i;

	for (i = 0; i < nr_findings; i++)
		if (findings[i].checker == checker && findings[i].what == what &&
		    findings[i].pid == current->pid)
			return &findings[i];
	return NULL;
}
NOKPROBE_SYMBOL(find_finding);

void mmr_report(enum mmr_checker checker, struct mm_struct *mm,
		unsigned long addr, const char *what)
{
	struct finding *finding;
	unsigned long flags;

	if (!READ_ONCE(checkers[checker].enabled))
		return;
	if (!raw_spin_trylock_irqsave(&findings_lock, flags)) {
		atomic64_inc(&dropped);
		return;
	}
	finding = find_finding(checker, what);
	if (finding) {
		finding->count++;
	} else if (nr_findings == MAX_FINDINGS) {
		atomic64_inc(&dropped);
	} else {
		finding = &findings[nr_findings++];
		finding->checker = checker;
		memcpy(finding->comm, current->comm, TASK_COMM_LEN);
		finding->pid = current->pid;
		finding->cpu = raw_smp_processor_id();
		finding->mm = mm;
		finding->addr = addr;
		finding->what = what;
		finding->time_ns = ktime_get_mono_fast_ns();
		finding->count = 1;
	}
	raw_spin_unlock_irqrestore(&findings_lock, flags);
	trace_finding(checkers[checker].name, mm, addr);
}
NOKPROBE_SYMBOL(mmr_report);

void mmr_findings_reset(void)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&findings_lock, flags);
	nr_findings = 0;
	raw_spin_unlock_irqrestore(&findings_lock, flags);
	atomic64_set(&dropped, 0);
}

/* A task's name may hold anything: what JSON or UTF-8 could trip over becomes '?'. */
static void clean(char *comm)
{
	comm[TASK_COMM_LEN - 1] = '\0';
	for (; *comm; comm++)
		if (*comm < ' ' || *comm > '~' || *comm == '"' || *comm == '\\')
			*comm = '?';
}

void mmr_findings_show(struct seq_file *m)
{
	unsigned int i;

	for (i = 0; i < MAX_FINDINGS; i++) {
		struct finding finding;
		unsigned long flags;
		bool more;

		/* One at a time: formatting under the lock would drop findings. */
		raw_spin_lock_irqsave(&findings_lock, flags);
		more = i < nr_findings;
		finding = findings[i];
		raw_spin_unlock_irqrestore(&findings_lock, flags);
		if (!more)
			break;
		clean(finding.comm);
		seq_printf(m, "{\"law\":\"%s\",\"task\":\"%s\",\"pid\":%d,\"cpu\":%d,\"mm\":\"0x%lx\",\"addr\":\"0x%lx\",\"what\":\"%s\",\"time_ns\":%llu,\"count\":%llu}\n",
			   checkers[finding.checker].name, finding.comm,
			   finding.pid, finding.cpu, (unsigned long)finding.mm,
			   finding.addr, finding.what, finding.time_ns,
			   finding.count);
	}
	if (atomic64_read(&dropped))
		seq_printf(m, "{\"dropped\":%lld}\n",
			   (long long)atomic64_read(&dropped));
}

void mmr_checkers_show(struct seq_file *m)
{
	unsigned int i;

	for (i = 0; i < MMR_NR_CHECKERS; i++)
		seq_printf(m, "%s %s %s %s\n", checkers[i].name,
			   checkers[i].enabled ? "enabled" : "disabled",
			   checkers[i].decides() ? "no" : "yes", checkers[i].law);
}

void mmr_checkers_show_themes(struct seq_file *m)
{
	unsigned int i;

	for (i = 0; i < MMR_NR_CHECKERS; i++)
		seq_printf(m, "checker %s %s\n", checkers[i].name, checkers[i].theme);
}

void mmr_checkers_show_caps(struct seq_file *m)
{
	unsigned int i;

	for (i = 0; i < MMR_NR_CHECKERS; i++) {
		const char *reason = checkers[i].decides();

		seq_printf(m, "checker.%s %s%s\n", checkers[i].name,
			   reason ? "cannot decide: " : "decides", reason ?: "");
	}
}

/* Shows an enabled checker a breach that never was; only who allows plants may. */
int mmr_checkers_forge(const char *name)
{
	unsigned int i;

	if (!mmr_plants_allowed())
		return -EPERM;
	for (i = 0; i < MMR_NR_CHECKERS; i++) {
		if (strcmp(name, checkers[i].name))
			continue;
		if (!READ_ONCE(checkers[i].enabled))
			return -EINVAL;
		if (checkers[i].decides())
			return -EOPNOTSUPP;
		checkers[i].forge();
		return 0;
	}
	return -EINVAL;
}

int mmr_checkers_switch(const char *what, bool on)
{
	bool known = false;
	unsigned int i;

	for (i = 0; i < MMR_NR_CHECKERS; i++) {
		if (strcmp(what, "all") && strcmp(what, checkers[i].name))
			continue;
		WRITE_ONCE(checkers[i].enabled, on);
		known = true;
	}
	return known ? 0 : -EINVAL;
}
