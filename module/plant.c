// SPDX-License-Identifier: GPL-2.0
/*
 * Bugs put into the running kernel, to prove that a race would detect them.
 *
 * Law: only when the module was loaded with allow_plants=1, only for tagged
 * mms, and only by skipping functions that hold no lock and no count, or by
 * altering their arguments. While a plant is off it has no probe anywhere.
 *
 * Law: the plant's handler is the first at its address, so that probes see
 * what the kernel then does: nothing of a call that is skipped, and arguments
 * as they were altered. The kernel calls the newest first (add_new_kprobe()). But the
 * oldest decides whether ftrace heeds a changed register (arm_kprobe(), 5.10
 * to 7.2): that is the anchor, which does nothing but have a post_handler.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pgtable.h>
#include <linux/string.h>

#include "compat/skip.h"
#include "mmrace.h"
#include "trace.h"

static bool allow_plants;
module_param(allow_plants, bool, 0444);
MODULE_PARM_DESC(allow_plants, "let bugs be planted into the running kernel");

struct mmr_plant {
	const char	*name;
	const char	*theme;
	const char	*symbols;
	mmr_plant_fn	act;
	unsigned int	need;
	bool		huge_pages_only;

	enum { PLANT_ABSENT, PLANT_OFF, PLANT_ON } state;
	char		reason[64];
	atomic64_t	hits;
	atomic_t	open;		/* calls skipped whose partner must be skipped too */
	bool		closing;	/* no new ones of these */
	unsigned int	nr_sites;
	struct mmr_site	site[MMR_MAX_SITES];
};

#define PLANT(id_, name_, theme_, act_, need_, where_, symbols_)	\
	[MMR_PLANT_##id_] = {				\
		.name = name_,				\
		.theme = theme_,			\
		.symbols = symbols_,			\
		.act = mmr_plant_##act_,		\
		.need = need_,				\
		where_,					\
	},
#define ANYWHERE	.huge_pages_only = false
#define HUGE_PAGES	.huge_pages_only = true

static struct mmr_plant plants[MMR_NR_PLANTS] = {
#include "plants.def"
};

#undef PLANT
#undef ANYWHERE
#undef HUGE_PAGES

static DEFINE_MUTEX(plants_lock);	/* serialises every change of a state */

/* === In the handler === */

/* Where a skipped function goes on x86. */
noinline unsigned long mmr_return_zero(void)
{
	return 0;
}
NOKPROBE_SYMBOL(mmr_return_zero);

/* Which of the plant's symbols it is, from 0. */
unsigned int mmr_plant_site(const struct mmr_event *ev)
{
	return ev->site - ev->site->plant->site;
}
NOKPROBE_SYMBOL(mmr_plant_site);

/* For plants that do not skip the function, and so are not counted. */
void mmr_plant_hit(const struct mmr_event *ev)
{
	atomic64_inc(&ev->site->plant->hits);
	trace_plant_hit(ev->site->plant->name, ev->mm);
}
NOKPROBE_SYMBOL(mmr_plant_hit);

/* For plants that skip two calls or none. */
bool mmr_plant_closing(const struct mmr_event *ev)
{
	return READ_ONCE(ev->site->plant->closing);
}
NOKPROBE_SYMBOL(mmr_plant_closing);

void mmr_plant_pair(const struct mmr_event *ev, int open)
{
	atomic_add(open, &ev->site->plant->open);
}
NOKPROBE_SYMBOL(mmr_plant_pair);

/* Whether one of the site's callers calls. */
bool mmr_plant_known_caller(const struct mmr_event *ev)
{
	unsigned long ret = mmr_regs_return_address(ev->regs);
	unsigned int i;

	for (i = 0; i < ev->site->nr_callers; i++)
		if (ret >= ev->site->caller[i].start && ret < ev->site->caller[i].end)
			return true;
	return false;
}
NOKPROBE_SYMBOL(mmr_plant_known_caller);

static bool from_caller(const struct mmr_event *ev)
{
	return !ev->site->nr_callers || ev->site->any_caller || mmr_plant_known_caller(ev);
}
NOKPROBE_SYMBOL(from_caller);

static int plant_handler(struct kprobe *kp, struct pt_regs *regs)
{
	struct mmr_event ev = {
		.site = container_of(kp, struct mmr_site, rp.kp),
		.regs = regs,
	};
	struct mmr_plant *plant = ev.site->plant;

	ev.mm = mmr_event_mm(&ev);
	ev.tagged = ev.mm ? mmr_target_mm(ev.mm) : mmr_target_current();
	/* A pair that was begun is finished, whoever is a target by then. */
	if ((!ev.tagged && !atomic_read(&plant->open)) || !from_caller(&ev) ||
	    !plant->act(&ev))
		return mmr_pass_stray_breakpoint(kp, regs);
	atomic64_inc(&plant->hits);
	trace_plant_hit(plant->name, ev.mm);
	mmr_skip_function(regs);
	return 1;
}
NOKPROBE_SYMBOL(plant_handler);

/* === Switching === */

static int register_plant(struct mmr_site *site, struct mmr_plant *plant,
			  unsigned int flags)
{
	struct kprobe *kp = &site->rp.kp;

	memset(kp, 0, sizeof(*kp));
	site->plant = plant;
	mmr_aim(kp, site);
	kp->pre_handler = plant_handler;
	kp->post_handler = mmr_no_post_handler;
	kp->flags = flags;
	return register_kprobe(kp);
}

static int register_disabled(struct mmr_site *site, void *owner)
{
	if (mmr_is_of_other_mmu(site->symbol))
		return -ENOENT;
	return register_plant(site, owner, KPROBE_FLAG_DISABLED);
}

static void unregister_sites(struct mmr_plant *plant, unsigned int nr)
{
	struct kprobe *kps[MMR_MAX_SITES];
	unsigned int i;

	for (i = 0; i < nr; i++)
		kps[i] = &plant->site[i].rp.kp;
	unregister_kprobes(kps, nr);
}

static void anchors_off(struct mmr_plant *plant, unsigned int nr)
{
	struct kprobe *kps[MMR_MAX_SITES];
	unsigned int i;

	for (i = 0; i < nr; i++)
		kps[i] = &plant->site[i].anchor;
	unregister_kprobes(kps, nr);
}

static int lift_anchors(void *arg)
{
	struct mmr_plant *plant = arg;

	anchors_off(plant, plant->nr_sites);
	return 0;
}

static int drop_anchors(void *arg)
{
	struct mmr_plant *plant = arg;
	unsigned int i;
	int err;

	for (i = 0; i < plant->nr_sites; i++) {
		struct kprobe *kp = &plant->site[i].anchor;

		memset(kp, 0, sizeof(*kp));
		mmr_aim(kp, &plant->site[i]);
		kp->pre_handler = mmr_pass_stray_breakpoint;
		kp->post_handler = mmr_no_post_handler;
		err = register_kprobe(kp);
		if (err) {
			anchors_off(plant, i);
			return err;
		}
	}
	return 0;
}

static int register_all(struct mmr_plant *plant)
{
	unsigned int i;
	int err;

	for (i = 0; i < plant->nr_sites; i++) {
		err = register_plant(&plant->site[i], plant, 0);
		if (err) {
			unregister_sites(plant, i);
			return err;
		}
	}
	return 0;
}

static int plant_on(struct mmr_plant *plant)
{
	int err = mmr_probes_around(plant->site, plant->nr_sites, drop_anchors, plant);

	if (!err) {
		err = register_all(plant);
		if (err)
			mmr_probes_around(plant->site, plant->nr_sites, lift_anchors, plant);
	}
	if (err)
		snprintf(plant->reason, sizeof(plant->reason),
			 "cannot be planted: error %d", err);
	else
		plant->state = PLANT_ON;
	return err;
}

static void plant_off(struct mmr_plant *plant)
{
	/*
	 * A first call that was skipped alone would leave its partner to undo what
	 * was never done. Every pair ends, as nobody waits for us in between.
	 */
	WRITE_ONCE(plant->closing, true);
	while (atomic_read(&plant->open))
		usleep_range(1000, 2000);
	unregister_sites(plant, plant->nr_sites);
	mmr_probes_around(plant->site, plant->nr_sites, lift_anchors, plant);
	WRITE_ONCE(plant->closing, false);
	plant->state = PLANT_OFF;
}

static bool shares_a_site(const struct mmr_plant *a, const struct mmr_plant *b)
{
	unsigned int i, j;

	for (i = 0; i < a->nr_sites; i++)
		for (j = 0; j < b->nr_sites; j++)
			if (!strcmp(a->site[i].symbol, b->site[j].symbol))
				return true;
	return false;
}

static int switch_plant(struct mmr_plant *plant, bool on)
{
	unsigned int i;

	if (plant->state == PLANT_ABSENT)
		return -EINVAL;
	if (on == (plant->state == PLANT_ON))
		return 0;
	/* Two bugs in one function are one too many to judge. */
	for (i = 0; on && i < MMR_NR_PLANTS; i++)
		if (plants[i].state == PLANT_ON && shares_a_site(plant, &plants[i]))
			return -EBUSY;
	if (on)
		return plant_on(plant);
	plant_off(plant);
	return 0;
}

/* Learns what could be planted here, without arming anything. */
static void find_plant(struct mmr_plant *plant)
{
	int err;

	if (plant->huge_pages_only && !has_transparent_hugepage()) {
		strscpy(plant->reason, "this machine has no transparent huge pages",
			sizeof(plant->reason));
		return;
	}
	plant->nr_sites = mmr_sites_register(plant->symbols, plant->site,
					     register_disabled, plant, &err);
	unregister_sites(plant, plant->nr_sites);
	if (plant->nr_sites >= plant->need) {
		plant->state = PLANT_OFF;
		strscpy(plant->reason, "-", sizeof(plant->reason));
		return;
	}
	plant->nr_sites = 0;
	if (err)
		snprintf(plant->reason, sizeof(plant->reason),
			 "cannot be planted: error %d", err);
	else
		strscpy(plant->reason, "this kernel has not all of its symbols", sizeof(plant->reason));
}

int mmr_plants_init(void)
{
	unsigned int i;

	for (i = 0; i < MMR_NR_PLANTS; i++)
		find_plant(&plants[i]);
	return 0;
}

static void all_off(void)
{
	unsigned int i;

	for (i = 0; i < MMR_NR_PLANTS; i++)
		if (plants[i].state == PLANT_ON)
			switch_plant(&plants[i], false);
}

/* The probes are disarmed by now and stay so: there is nothing to keep away. */
void mmr_plants_exit(void)
{
	all_off();
}

bool mmr_plants_allowed(void)
{
	return allow_plants;
}

int mmr_plants_set(char *request)
{
	char *name = strsep(&request, " ");
	unsigned int i;
	int err = -EINVAL;

	if (!allow_plants)
		return -EPERM;
	mutex_lock(&plants_lock);
	if (!request && !strcmp(name, "off")) {
		all_off();
		err = 0;
	}
	for (i = 0; request && i < MMR_NR_PLANTS; i++) {
		if (strcmp(name, plants[i].name))
			continue;
		if (!strcmp(request, "on"))
			err = switch_plant(&plants[i], true);
		else if (!strcmp(request, "off"))
			err = switch_plant(&plants[i], false);
	}
	mutex_unlock(&plants_lock);
	return err;
}

void mmr_plants_show_themes(struct seq_file *m)
{
	unsigned int i;

	for (i = 0; i < MMR_NR_PLANTS; i++)
		seq_printf(m, "plant %s %s\n", plants[i].name, plants[i].theme);
}

void mmr_plants_show(struct seq_file *m)
{
	static const char *const states[] = {
		[PLANT_ABSENT]	= "absent",
		[PLANT_OFF]	= "off",
		[PLANT_ON]	= "on",
	};
	unsigned int i;

	mutex_lock(&plants_lock);
	for (i = 0; i < MMR_NR_PLANTS; i++) {
		seq_printf(m, "%s %s ", plants[i].name, states[plants[i].state]);
		mmr_sites_show(m, plants[i].site, plants[i].nr_sites);
		seq_printf(m, " %lld %s\n", (long long)atomic64_read(&plants[i].hits),
			   plants[i].reason);
	}
	mutex_unlock(&plants_lock);
}
