// SPDX-License-Identifier: GPL-2.0
/*
 * Turns the rows of probes.def into kprobes and back.
 *
 * Law: at most one probe of a row sits on an address, entry and return in one
 * kretprobe. All at an address share an aggregate, whose ftrace_ops is chosen by
 * the first that came (kernel/kprobes.c, arm_kprobe(), 5.10 to 7.2); plant.c sees
 * to it that this suits a plant.
 *
 * Law: what was not seen is counted. The kernel drops a probe that hits while
 * another one runs on the same CPU, and the return of a function when no
 * instance is left; both end in mmr_probe_missed().
 */
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/ktime.h>

#include "compat/tlb.h"
#include "mmrace.h"
#include "trace.h"

/* Of a target alone: other returns are not watched. */
static void delay_end(struct mmr_site *site, struct mmr_call *call)
{
	mmr_window_delay(site->probe - mmr_probes, NULL);
}
NOKPROBE_SYMBOL(delay_end);

#define PROBE(id_, name_, group_, window_, entry_, ret_, symbols_)	\
	[MMR_PROBE_##id_] = {						\
		.name = name_,						\
		.group = group_,					\
		.symbols = symbols_,					\
		window_,						\
		.on_entry = mmr_on_##entry_,				\
		.on_return = ret_,					\
	},
#define WINDOW			.has_window = true
#define WINDOW_AFTER		.has_window = true, .delays_after = true
#define NO_WINDOW		.has_window = false
#define ON_DEMAND		.on_demand = true
#define gather_flush_end	mmr_on_gather_flush_end
#define gather_finish_end	mmr_on_gather_finish_end
#define tlb_flush_end		mmr_on_tlb_flush_end

struct mmr_probe mmr_probes[MMR_NR_PROBES] = {
#include "probes.def"
};

#undef PROBE
#undef WINDOW
#undef WINDOW_AFTER
#undef NO_WINDOW
#undef ON_DEMAND
#undef gather_flush_end
#undef gather_finish_end
#undef tlb_flush_end

static const char *const role_names[MMR_NR_ROLES] = {
	[MMR_MM]	= "mm",
	[MMR_VMA]	= "vma",
	[MMR_TLB]	= "tlb",
	[MMR_PAGE]	= "page",
	[MMR_FOLIO]	= "folio",
	[MMR_NR]	= "nr",
	[MMR_ADDR]	= "addr",
	[MMR_END]	= "end",
	[MMR_PTEP]	= "ptep",
	[MMR_PTE]	= "pte",
	[MMR_DELAY]	= "delay",
	[MMR_BATCH]	= "batch",
	[MMR_VMF]	= "vmf",
	[MMR_RANGE]	= "range",
	[MMR_INFO]	= "info",
	[MMR_TABLE]	= "table",
};

/* Serialises every change of a probe's state; handlers never take it. */
static DEFINE_MUTEX(probes_lock);

/* When a probe came or went: what began before may have been seen by half. */
static u64 changed_ns;

/* === Handling a hit === */

struct mm_struct *mmr_event_mm(const struct mmr_event *ev)
{
	const struct mmr_site *site = ev->site;

	if (mmr_has_arg(site, MMR_MM))
		return (struct mm_struct *)mmr_arg(ev, MMR_MM);
	if (mmr_has_arg(site, MMR_VMA))
		return ((struct vm_area_struct *)mmr_arg(ev, MMR_VMA))->vm_mm;
	if (mmr_has_arg(site, MMR_TLB))
		return ((struct mmu_gather *)mmr_arg(ev, MMR_TLB))->mm;
	if (mmr_has_arg(site, MMR_VMF))
		return ((struct vm_fault *)mmr_arg(ev, MMR_VMF))->vma->vm_mm;
	if (mmr_has_arg(site, MMR_RANGE))
		return ((struct mmu_notifier_range *)mmr_arg(ev, MMR_RANGE))->mm;
	/* x86's struct flush_tlb_info begins with the mm, 5.10 to 7.2. */
	if (mmr_has_arg(site, MMR_INFO))
		return *(struct mm_struct **)mmr_arg(ev, MMR_INFO);
	return NULL;
}
NOKPROBE_SYMBOL(mmr_event_mm);

/* The delay comes first: what the handler notes is what the function finds. */
static void handle_entry(struct mmr_event *ev)
{
	struct mmr_probe *probe = ev->site->probe;
	enum mmr_probe_id id = probe - mmr_probes;

	ev->mm = mmr_event_mm(ev);
	ev->tagged = ev->mm ? mmr_target_mm(ev->mm) : mmr_target_current();
	if (ev->tagged) {
		mmr_count_hit(id);
		trace_probe_hit(probe->name, ev->mm, mmr_arg(ev, MMR_ADDR));
		if (probe->has_window && !probe->delays_after)
			mmr_window_delay(id, ev->regs);
	} else {
		mmr_count_other(id);
	}
	probe->on_entry(ev);
}
NOKPROBE_SYMBOL(handle_entry);

static int pre_handler(struct kprobe *kp, struct pt_regs *regs)
{
	struct mmr_event ev = {
		.site = container_of(kp, struct mmr_site, rp.kp),
		.regs = regs,
	};

	handle_entry(&ev);
	return mmr_pass_stray_breakpoint(kp, regs);
}
NOKPROBE_SYMBOL(pre_handler);

static int pre_handler_return(struct kprobe *kp, struct pt_regs *regs)
{
	struct mmr_site *site = container_of(kp, struct mmr_site, rp.kp);

	return site->take_return(kp, regs) ?: mmr_pass_stray_breakpoint(kp, regs);
}
NOKPROBE_SYMBOL(pre_handler_return);

static int pre_handler_trap(struct kprobe *kp, struct pt_regs *regs)
{
	struct mmr_site *site = container_of(kp, struct mmr_site, anchor);

	return site->take_return(&site->rp.kp, regs);
}
NOKPROBE_SYMBOL(pre_handler_trap);

/* Returning 1 gives the instance back: only a target's return is watched. */
static int entry_handler(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct kretprobe *rp = mmr_kretprobe_of(ri);
	struct mmr_call *call = (struct mmr_call *)ri->data;
	struct mmr_event ev = {
		.regs = regs,
		.call = call,
	};

	if (!rp)
		return 1;
	ev.site = container_of(rp, struct mmr_site, rp);
	call->key = 0;
	handle_entry(&ev);
	if (!ev.tagged)
		return 1;
	call->mm = ev.mm;
	call->start_ns = ktime_get_mono_fast_ns();
	return 0;
}
NOKPROBE_SYMBOL(entry_handler);

static int return_handler(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct kretprobe *rp = mmr_kretprobe_of(ri);
	struct mmr_site *site;

	if (!rp)	/* the probe is going away under the function */
		return 0;
	site = container_of(rp, struct mmr_site, rp);
	site->probe->on_return(site, (struct mmr_call *)ri->data);
	return 0;
}
NOKPROBE_SYMBOL(return_handler);

/* === From a row's text to sites === */

static int role_of(const char *name, size_t len)
{
	unsigned int i;

	if (len == 1 && *name == '-')
		return MMR_NR_ROLES;
	for (i = 0; i < MMR_NR_ROLES; i++)
		if (strlen(role_names[i]) == len && !strncmp(role_names[i], name, len))
			return i;
	return -EINVAL;
}

/*
 * Reads "@name/name" or "@?name/name" into @site: those of the callers that this
 * kernel has, at least one but for "?". Returns where it ends.
 */
static const char *parse_callers(const char *text, struct mmr_site *site)
{
	char name[sizeof(site->symbol)];
	size_t len;

	if (*text != '@')
		return text;
	if (text[1] == '?') {
		site->any_caller = true;
		text++;
	}
	do {
		text++;
		len = strcspn(text, "/ ");
		if (len >= sizeof(name) || site->nr_callers == MMR_MAX_CALLERS)
			return ERR_PTR(-EINVAL);
		memcpy(name, text, len);
		name[len] = '\0';
		if (!mmr_find_text(name, &site->caller[site->nr_callers]))
			site->nr_callers++;
		text += len;
	} while (*text == '/');
	site->no_caller = !site->nr_callers && !site->any_caller;
	return text;
}

/* Reads "!name(role,role)@caller" into @site; returns where it ends. */
static const char *parse_site(const char *text, struct mmr_site *site)
{
	unsigned int n = 0;
	size_t len;
	int role;

	memset(site, 0, sizeof(*site));
	memset(site->arg, MMR_NO_ARG, sizeof(site->arg));
	text = skip_spaces(text);
	if (*text == '!') {
		n = COMPAT_PTE_BY_POINTER;
		text++;
	}
	len = strcspn(text, "(");
	if (!text[len] || len >= sizeof(site->symbol))
		return ERR_PTR(-EINVAL);
	memcpy(site->symbol, text, len);
	text += len + 1;
	for (;; n++) {
		len = strcspn(text, ",)");
		if (!text[len])
			return ERR_PTR(-EINVAL);
		role = role_of(text, len);
		if (role < 0)
			return ERR_PTR(role);
		if (role < MMR_NR_ROLES)
			site->arg[role] = n;
		text += len + 1;
		if (text[-1] != ')')
			continue;
		text = parse_callers(text, site);
		return IS_ERR(text) ? text : skip_spaces(text);
	}
}

/*
 * Takes the first alternative of which anything registers. Returns how many
 * @sites it has, and in @err the first failure that is not a missing symbol.
 */
unsigned int mmr_sites_register(const char *symbols, struct mmr_site *sites,
				mmr_register_fn fn, void *owner, int *err)
{
	unsigned int nr = 0;
	int ret;

	*err = 0;
	for (;;) {
		if (nr == MMR_MAX_SITES) {
			*err = -E2BIG;
			return nr;
		}
		symbols = parse_site(symbols, &sites[nr]);
		if (IS_ERR(symbols)) {
			*err = PTR_ERR(symbols);
			return nr;
		}
		ret = sites[nr].no_caller ? -ENOENT :
		      mmr_place(&sites[nr]) ?: fn(&sites[nr], owner);
		if (!ret)
			nr++;
		else if (ret != -ENOENT && !*err)
			*err = ret;
		if (*symbols != '+' && (*symbols != '|' || nr))
			return nr;
		symbols++;
	}
}

/*
 * The kernel watches returns only from where it would put the probe itself
 * (kprobe_on_func_entry()). Where that place will not do, its kretprobe stays disabled
 * there, and a trap of ours hands over to it.
 */
static int register_return_by_trap(struct mmr_site *site)
{
	struct kretprobe *rp = &site->rp;
	int err;

	rp->kp.symbol_name = site->symbol;
	err = register_kretprobe(rp);
	if (err)
		return err;
	site->take_return = rp->kp.pre_handler;
	mmr_aim(&site->anchor, site);
	site->anchor.pre_handler = pre_handler_trap;
	err = register_kprobe(&site->anchor);
	if (err)
		unregister_kretprobe(rp);
	return err;
}

/* Disabled until our handler stands before the kernel's. */
static int register_return(struct mmr_site *site)
{
	struct kretprobe *rp = &site->rp;
	int err;

	rp->entry_handler = entry_handler;
	rp->handler = return_handler;
	rp->data_size = sizeof(struct mmr_call);
	rp->maxactive = 64 + 8 * num_possible_cpus();
	rp->kp.flags = KPROBE_FLAG_DISABLED;
	if (mmr_probes_are_traps())
		return register_return_by_trap(site);
	mmr_aim(&rp->kp, site);
	err = register_kretprobe(rp);
	if (err)
		return err;
	site->take_return = rp->kp.pre_handler;
	rp->kp.pre_handler = pre_handler_return;
	err = enable_kretprobe(rp);
	if (err)
		unregister_kretprobe(rp);
	return err;
}

static int register_entry(struct mmr_site *site)
{
	mmr_aim(&site->rp.kp, site);
	site->rp.kp.pre_handler = pre_handler;
	return register_kprobe(&site->rp.kp);
}

static int register_site(struct mmr_site *site, void *owner)
{
	struct mmr_probe *probe = owner;
	int err;

	site->probe = probe;
	err = probe->on_return ? register_return(site) : register_entry(site);
	site->armed = !err;
	return err;
}

static void arm_probe(struct mmr_probe *probe)
{
	int err;

	if (probe->on_return && !mmr_returns_can_be_watched()) {
		probe->state = MMR_ABSENT;
		strscpy(probe->reason, "no way to watch returns by traps",
			sizeof(probe->reason));
		return;
	}
	probe->nr_sites = mmr_sites_register(probe->symbols, probe->site,
					     register_site, probe, &err);
	WRITE_ONCE(changed_ns, ktime_get_mono_fast_ns());
	if (probe->nr_sites) {
		probe->state = MMR_ARMED;
		strscpy(probe->reason, "-", sizeof(probe->reason));
		return;
	}
	probe->state = MMR_ABSENT;
	if (err)
		snprintf(probe->reason, sizeof(probe->reason),
			 "cannot be probed: error %d", err);
	else
		strscpy(probe->reason, "this kernel has none of its symbols", sizeof(probe->reason));
}

typedef bool (*match_fn)(const struct mmr_probe *probe, const void *what);

/* One grace period for all of them, however many there are. */
static void disarm_probes(match_fn match, const void *what)
{
	static struct kprobe *kps[MMR_NR_PROBES * MMR_MAX_SITES];
	static struct kretprobe *rps[MMR_NR_PROBES * MMR_MAX_SITES];
	unsigned int i, j, nr_kps = 0, nr_rps = 0;

	lockdep_assert_held(&probes_lock);
	for (i = 0; i < MMR_NR_PROBES; i++) {
		struct mmr_probe *probe = &mmr_probes[i];

		if (probe->state != MMR_ARMED || !match(probe, what))
			continue;
		for (j = 0; j < probe->nr_sites; j++) {
			struct mmr_site *site = &probe->site[j];

			if (!probe->on_return) {
				kps[nr_kps++] = &site->rp.kp;
				continue;
			}
			rps[nr_rps++] = &site->rp;
			if (mmr_probes_are_traps())
				kps[nr_kps++] = &site->anchor;
		}
	}
	/* A trap uses its kretprobe. */
	unregister_kprobes(kps, nr_kps);
	unregister_kretprobes(rps, nr_rps);
	for (i = 0; i < MMR_NR_PROBES; i++) {
		struct mmr_probe *probe = &mmr_probes[i];

		if (probe->state != MMR_ARMED || !match(probe, what))
			continue;
		probe->missed = mmr_probe_missed(probe);
		for (j = 0; j < probe->nr_sites; j++)
			probe->site[j].armed = false;
		probe->state = MMR_DISABLED;
	}
}

static bool match_name(const struct mmr_probe *probe, const void *arg)
{
	const char *what = arg;

	return !strcmp(what, "all") || !strcmp(what, probe->name) ||
	       !strcmp(what, probe->group);
}

int mmr_probes_switch(const char *what, bool on)
{
	bool known = false;
	unsigned int i;

	for (i = 0; i < MMR_NR_PROBES; i++)
		known |= match_name(&mmr_probes[i], what);
	if (!known)
		return -EINVAL;
	mutex_lock(&probes_lock);
	if (!on)
		disarm_probes(match_name, what);
	for (i = 0; on && i < MMR_NR_PROBES; i++)
		if (mmr_probes[i].state != MMR_ARMED && match_name(&mmr_probes[i], what))
			arm_probe(&mmr_probes[i]);
	mutex_unlock(&probes_lock);
	return 0;
}

struct symbols {
	const struct mmr_site	*site;
	unsigned int		nr;
};

static bool match_symbols(const struct mmr_probe *probe, const void *arg)
{
	const struct symbols *symbols = arg;
	unsigned int i, j;

	for (i = 0; i < probe->nr_sites; i++)
		for (j = 0; j < symbols->nr; j++)
			if (!strcmp(probe->site[i].symbol, symbols->site[j].symbol))
				return true;
	return false;
}

/* Runs @fn while no probe is on the functions of @sites. */
int mmr_probes_around(const struct mmr_site *sites, unsigned int nr,
		      int (*fn)(void *arg), void *arg)
{
	struct symbols symbols = { sites, nr };
	bool again[MMR_NR_PROBES];
	unsigned int i;
	int err;

	mutex_lock(&probes_lock);
	for (i = 0; i < MMR_NR_PROBES; i++)
		again[i] = mmr_probes[i].state == MMR_ARMED &&
			   match_symbols(&mmr_probes[i], &symbols);
	disarm_probes(match_symbols, &symbols);
	err = fn(arg);
	for (i = 0; i < MMR_NR_PROBES; i++)
		if (again[i])
			arm_probe(&mmr_probes[i]);
	mutex_unlock(&probes_lock);
	return err;
}

int mmr_probes_init(void)
{
	unsigned int i;

	mutex_lock(&probes_lock);
	for (i = 0; i < MMR_NR_PROBES; i++) {
		if (!mmr_probes[i].on_demand) {
			arm_probe(&mmr_probes[i]);
			continue;
		}
		mmr_probes[i].state = MMR_DISABLED;
		strscpy(mmr_probes[i].reason, "armed on demand only", sizeof(mmr_probes[i].reason));
	}
	mutex_unlock(&probes_lock);
	return 0;
}

void mmr_probes_exit(void)
{
	mmr_probes_switch("all", false);
}

/* === Accounts === */

static unsigned long site_missed(const struct mmr_site *site)
{
	return READ_ONCE(site->rp.kp.nmissed) + READ_ONCE(site->rp.nmissed) +
	       READ_ONCE(site->anchor.nmissed);
}

unsigned long mmr_probe_missed(const struct mmr_probe *probe)
{
	unsigned long sum = READ_ONCE(probe->missed);
	unsigned int i;

	for (i = 0; i < probe->nr_sites; i++)
		if (probe->site[i].armed)
			sum += site_missed(&probe->site[i]) - probe->site[i].missed_base;
	return sum;
}
NOKPROBE_SYMBOL(mmr_probe_missed);

/* Whether @id has seen every hit for long enough to judge by what it has not seen. */
bool mmr_probe_is_sure(enum mmr_probe_id id)
{
	const struct mmr_probe *probe = &mmr_probes[id];

	return READ_ONCE(probe->state) == MMR_ARMED && !mmr_probe_missed(probe) &&
	       ktime_get_mono_fast_ns() - READ_ONCE(changed_ns) > NSEC_PER_SEC;
}
NOKPROBE_SYMBOL(mmr_probe_is_sure);

void mmr_probes_reset(void)
{
	unsigned int i, j;

	mutex_lock(&probes_lock);
	for (i = 0; i < MMR_NR_PROBES; i++) {
		struct mmr_probe *probe = &mmr_probes[i];

		probe->missed = 0;
		for (j = 0; j < probe->nr_sites; j++)
			probe->site[j].missed_base = site_missed(&probe->site[j]);
	}
	mutex_unlock(&probes_lock);
}

void mmr_sites_show(struct seq_file *m, const struct mmr_site *sites,
		    unsigned int nr)
{
	unsigned int i;

	if (!nr)
		seq_putc(m, '-');
	for (i = 0; i < nr; i++)
		seq_printf(m, "%s%s", i ? "+" : "", sites[i].symbol);
}
