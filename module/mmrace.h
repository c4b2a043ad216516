/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The private contract between the module's files.
 *
 * Handlers run wherever the kernel runs: with interrupts off, under the page
 * table lock, and on x86 breakpoint probes in an NMI-like context. So all
 * that they can reach is lock-free, never sleeps and never allocates.
 */
#ifndef MMRACE_H
#define MMRACE_H

#include <linux/kprobes.h>
#include <linux/mm_types.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/types.h>

#include "compat/compat.h"
#include "mmrace_abi.h"

/* === Probes: probe.c === */

enum mmr_probe_id {
#define PROBE(id, ...) MMR_PROBE_##id,
#include "probes.def"
#undef PROBE
	MMR_NR_PROBES,
};

/* What an argument of a probed function is. */
enum mmr_role {
	MMR_MM,
	MMR_VMA,
	MMR_TLB,
	MMR_PAGE,
	MMR_FOLIO,
	MMR_NR,
	MMR_ADDR,
	MMR_END,
	MMR_PTEP,
	MMR_PTE,
	MMR_DELAY,
	MMR_BATCH,
	MMR_VMF,
	MMR_RANGE,
	MMR_INFO,
	MMR_TABLE,
	MMR_NR_ROLES,
};

#define MMR_MAX_SITES	8
#define MMR_MAX_CALLERS	3
#define MMR_NO_ARG	0xff

/* The text of one function: [start, end). */
struct mmr_text {
	unsigned long	start;
	unsigned long	end;
	unsigned long	probe;		/* where the kernel puts a probe of that symbol */
	bool		on_ftrace;	/* and whether that is ftrace's place */
};

struct mmr_probe;
struct mmr_plant;

/* One address of the kernel's; there is never a second probe of ours on it. */
struct mmr_site {
	struct kretprobe	rp;	/* rp.kp alone when nothing watches the return */
	struct mmr_probe	*probe;	/* whose it is: a probe's */
	struct mmr_plant	*plant;	/* or a plant's */
	char			symbol[64];
	unsigned int		offset;	/* from the symbol, 0 to leave it to the kernel */
	u8			arg[MMR_NR_ROLES];
	struct mmr_text		caller[MMR_MAX_CALLERS];	/* a plant's: only when called from one */
	unsigned int		nr_callers;	/* 0: whoever calls */
	bool			no_caller;	/* this kernel has none of those asked for */
	bool			any_caller;	/* the plant itself asks who calls */
	struct kprobe		anchor;		/* a plant's: plant.c; a watched return's: probe.c */
	kprobe_pre_handler_t	take_return;	/* the kernel's own handler of a kretprobe */
	bool			armed;
	unsigned long		missed_base;
};

/* Carried from a function's entry to its return. */
struct mmr_call {
	u64			start_ns;
	struct mm_struct	*mm;
	unsigned long		key;
};

struct mmr_event {
	struct mmr_site		*site;
	struct pt_regs		*regs;
	struct mm_struct	*mm;	/* NULL when the function does not say */
	struct mmr_call		*call;	/* NULL when nothing watches the return */
	bool			tagged;
};

typedef void (*mmr_entry_fn)(struct mmr_event *ev);
typedef void (*mmr_return_fn)(struct mmr_site *site, struct mmr_call *call);

struct mmr_probe {
	const char		*name;
	const char		*group;
	const char		*symbols;
	bool			has_window;
	bool			delays_after;	/* the window is at the return */
	bool			on_demand;	/* not armed until asked for by name */
	mmr_entry_fn		on_entry;
	mmr_return_fn		on_return;

	enum { MMR_ABSENT, MMR_ARMED, MMR_DISABLED } state;
	char			reason[64];
	unsigned long		missed;		/* by sites since disarmed */
	unsigned int		nr_sites;
	struct mmr_site		site[MMR_MAX_SITES];
};

extern struct mmr_probe mmr_probes[MMR_NR_PROBES];

int mmr_probes_init(void);
void mmr_probes_exit(void);
void mmr_probes_reset(void);
int mmr_probes_switch(const char *what, bool on);
unsigned long mmr_probe_missed(const struct mmr_probe *probe);
bool mmr_probe_is_sure(enum mmr_probe_id id);

typedef int (*mmr_register_fn)(struct mmr_site *site, void *owner);
unsigned int mmr_sites_register(const char *symbols, struct mmr_site *sites,
				mmr_register_fn fn, void *owner, int *err);
void mmr_sites_show(struct seq_file *m, const struct mmr_site *sites,
		    unsigned int nr);
int mmr_probes_around(const struct mmr_site *sites, unsigned int nr,
		      int (*fn)(void *arg), void *arg);
struct mm_struct *mmr_event_mm(const struct mmr_event *ev);

static __always_inline bool mmr_has_arg(const struct mmr_site *site,
					enum mmr_role role)
{
	return site->arg[role] != MMR_NO_ARG;
}

static __always_inline unsigned long mmr_arg(const struct mmr_event *ev,
					     enum mmr_role role)
{
	if (!mmr_has_arg(ev->site, role))
		return 0;
	return mmr_regs_argument(ev->regs, ev->site->arg[role]);
}

/* === Where functions lie and probes go: place.c === */

int mmr_find_text(const char *name, struct mmr_text *text);
void mmr_aim(struct kprobe *kp, const struct mmr_site *site);
void mmr_no_post_handler(struct kprobe *kp, struct pt_regs *regs, unsigned long flags);

#if defined(CONFIG_PPC64) && defined(CONFIG_PREEMPTION)
void mmr_places_init(void);
void mmr_places_exit(void);
int mmr_place(struct mmr_site *site);
bool mmr_probes_are_traps(void);
bool mmr_returns_can_be_watched(void);
bool mmr_only_trap_masks_irqs(struct pt_regs *regs);
#else
static inline void mmr_places_init(void) { }
static inline void mmr_places_exit(void) { }
static inline int mmr_place(struct mmr_site *site) { return 0; }
static inline bool mmr_probes_are_traps(void) { return false; }
static inline bool mmr_returns_can_be_watched(void) { return true; }
static inline bool mmr_only_trap_masks_irqs(struct pt_regs *regs) { return false; }
#endif

/* === Event handlers: event/ === */

#define PROBE(id, name, group, window, entry, ret, symbols) \
	void mmr_on_##entry(struct mmr_event *ev);
#include "probes.def"
#undef PROBE
void mmr_on_gather_flush_end(struct mmr_site *site, struct mmr_call *call);
void mmr_on_gather_finish_end(struct mmr_site *site, struct mmr_call *call);
void mmr_on_tlb_flush_end(struct mmr_site *site, struct mmr_call *call);

/* === Open gathers and the pages they hold: pending.c === */

/* What a gather has to flush; empty when end is 0. */
struct mmr_gather_range {
	unsigned long	start;
	unsigned long	end;
	unsigned int	freed_tables:1;
	unsigned int	cleared_ptes:1;
	unsigned int	cleared_pmds:1;
	unsigned int	cleared_puds:1;
	unsigned int	cleared_p4ds:1;
};

struct mmr_gather {
	struct task_struct	*owner;		/* claims the slot */
	struct mm_struct	*mm;
	unsigned long		tlb;
	u64			begin_ns;
	u64			rmap_ns;	/* first rmap removal since the last flush, or 0 */
	u64			epoch;		/* one more at each flush: outdates its pages */
	unsigned long		unflushed;	/* a page queued since the last flush, or 0 */
	unsigned long		table;		/* a page table, likewise */
	struct page		*batched;	/* a page table that its flush hands on, or NULL */
	struct mmr_grace	grace;		/* that the table must wait for */
	bool			dirty;		/* found a dirty pte since the last flush */
	bool			deferred;	/* removes the rmaps now that it had put off */
	bool			mprotect;	/* rights were taken away since the last flush */
	bool			pfn;		/* works on a VM_PFNMAP vma */
	struct mmr_gather_range	range;		/* what a plant put off flushing */
};

enum mmr_pending_state {
	MMR_PENDING_DIRTY	= 1,	/* unhooked by a zap that found it dirty */
	MMR_PENDING_QUEUED	= 2,	/* handed to the gather */
	MMR_PENDING_NO_RMAP	= 4,	/* and no longer to be found through the rmap */
};

void mmr_gather_open(struct mm_struct *mm, unsigned long tlb);
struct mmr_gather *mmr_gather_of_current(void);
void mmr_gather_flushed(struct mmr_gather *gather);
void mmr_gather_close(struct mmr_gather *gather);
void mmr_pending_add(struct mmr_gather *gather, unsigned long folio);
unsigned int mmr_pending_own(struct mmr_gather *gather, unsigned long folio);
unsigned int mmr_pending_mark(struct mmr_gather *gather, unsigned long folio,
			      enum mmr_pending_state state);
unsigned int mmr_pending_find(unsigned long folio);

/* === Counters: counter.c === */

enum mmr_counter {
#define COUNTER(id, name) MMR_##id,
#include "counters.def"
#undef COUNTER
	MMR_NR_COUNTERS,
};

struct mmr_counters {
	u64	hits[MMR_NR_PROBES];	/* of targets */
	u64	others[MMR_NR_PROBES];	/* of anybody else */
	u64	own[MMR_NR_COUNTERS];
};

extern struct mmr_counters __percpu *mmr_counters;

#define mmr_count(id)		this_cpu_inc(mmr_counters->own[MMR_##id])
#define mmr_counted(id)		mmr_counter_sum(MMR_##id)
#define mmr_count_hit(id)	this_cpu_inc(mmr_counters->hits[id])
#define mmr_count_other(id)	this_cpu_inc(mmr_counters->others[id])

int mmr_counters_init(void);
void mmr_counters_exit(void);
void mmr_counters_reset(void);
u64 mmr_probe_hits(enum mmr_probe_id id);
u64 mmr_counter_sum(enum mmr_counter id);
void mmr_counters_show(struct seq_file *m);

/* === Histograms: hist.c === */

enum mmr_hist {
#define HIST(id, name) MMR_HIST_##id,
#include "hists.def"
#undef HIST
	MMR_NR_HISTS,
};

extern const char *const mmr_hist_names[MMR_NR_HISTS];

int mmr_hist_init(void);
void mmr_hist_exit(void);
void mmr_hist_reset(void);
void mmr_hist_add(enum mmr_hist hist, u64 ns);
void mmr_hist_show(struct seq_file *m, enum mmr_hist hist);

/* === Targets: target.c === */

int mmr_target_init(void);
void mmr_target_exit(void);
bool mmr_target_mm(struct mm_struct *mm);
bool mmr_target_current(void);
void mmr_target_forget_mm(struct mm_struct *mm);
int mmr_target_set(char *request);
void mmr_target_show(struct seq_file *m);

/* === Windows: window.c === */

int mmr_window_init(void);
void mmr_window_exit(void);
void mmr_window_delay(enum mmr_probe_id id, struct pt_regs *regs);
void mmr_window_reset(void);
int mmr_window_set(char *request);
void mmr_window_show(struct seq_file *m);
void mmr_window_seed(u64 seed);
u64 mmr_window_get_seed(void);

/* === Plants: plant.c === */

enum mmr_plant_id {
#define PLANT(id, ...) MMR_PLANT_##id,
#include "plants.def"
#undef PLANT
	MMR_NR_PLANTS,
};

/* Returns true when the function is to be skipped. */
typedef bool (*mmr_plant_fn)(struct mmr_event *ev);

#define PLANT(id, name, theme, act, need, where, symbols) \
	bool mmr_plant_##act(struct mmr_event *ev);
#include "plants.def"
#undef PLANT

int mmr_plants_init(void);
void mmr_plants_exit(void);
int mmr_plants_set(char *request);
bool mmr_plants_allowed(void);
unsigned int mmr_plant_site(const struct mmr_event *ev);
void mmr_plant_hit(const struct mmr_event *ev);
bool mmr_plant_known_caller(const struct mmr_event *ev);
bool mmr_plant_closing(const struct mmr_event *ev);
void mmr_plant_pair(const struct mmr_event *ev, int open);
void mmr_plants_show(struct seq_file *m);
void mmr_plants_show_themes(struct seq_file *m);

/* === Checkers and their findings: check/, report.c === */

enum mmr_checker {
#define CHECKER(id, ...) MMR_CHECK_##id,
#include "checkers.def"
#undef CHECKER
	MMR_NR_CHECKERS,
};

void mmr_check_rmap_after_flush(const struct mmr_gather *gather,
				unsigned long folio, unsigned int states);
void mmr_check_free_after_flush(const struct mmr_gather *gather);
void mmr_check_table_after_flush(const struct mmr_gather *gather, bool flush_is_due);
void mmr_check_table_grace(struct mmr_gather *gather);
void mmr_check_mm_exit(struct mm_struct *mm);
void mmr_check_pmd_address(struct mm_struct *mm, unsigned long addr, unsigned long pmdp);
void mmr_check_notifier_covers(struct mm_struct *mm, unsigned long addr);
void mmr_check_mirror_page(struct mm_struct *mm, unsigned long addr, int refs);
void mmr_check_lazy_preemptible(unsigned long addr, bool is_preemptible);

struct mmu_notifier_range;
void mmr_range_begin(const struct mmu_notifier_range *range);
void mmr_range_end(const struct mmu_notifier_range *range);

#define CHECKER(id, name, theme, fn, law)	\
	const char *mmr_decides_##fn(void);	\
	void mmr_forge_##fn(void);
#include "checkers.def"
#undef CHECKER

void mmr_report(enum mmr_checker checker, struct mm_struct *mm,
		unsigned long addr, const char *what);
void mmr_findings_reset(void);
void mmr_findings_show(struct seq_file *m);
void mmr_checkers_show(struct seq_file *m);
void mmr_checkers_show_themes(struct seq_file *m);
void mmr_checkers_show_caps(struct seq_file *m);
int mmr_checkers_switch(const char *what, bool on);
int mmr_checkers_forge(const char *name);

/* === What this kernel is like: caps.c === */

void mmr_caps_show(struct seq_file *m);

/* === What serves which theme: theme.c === */

void mmr_themes_show(struct seq_file *m);

/* === User interface: debugfs.c, dev/ === */

int mmr_debugfs_init(void);
void mmr_debugfs_exit(void);

int mmr_dev_init(void);
void mmr_dev_exit(void);

#endif /* MMRACE_H */
