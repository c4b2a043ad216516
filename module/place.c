// SPDX-License-Identifier: GPL-2.0
/*
 * Where the kernel's functions lie, and where in them a probe goes.
 *
 * Law: who comes out of a probe has the paca of the CPU that he runs on. ppc64 keeps its
 * address in r13, and two ways back from a kprobe load r13 with what it was before:
 * ftrace_regs_exit (arch/powerpc/kernel/trace/ftrace_entry.S) and the detour of a probe that
 * was made a jump (optprobe_template_entry in arch/powerpc/kernel/optprobes_head.S), both
 * in 6.12 and 7.2. Where a task can be preempted in between, it may continue on another CPU with the
 * paca of the one that it left: docs/stock-kernels.md. The way back from a trap does
 * not touch r13 (interrupt_return_srr_kernel in arch/powerpc/kernel/interrupt_64.S).
 *
 * So on a preemptible ppc64 kernel that has either of the two, every probe is a trap: one
 * instruction behind ftrace's, where all arguments are still in their registers and no frame
 * has been made, and beside a probe with a post_handler, which no kernel makes a jump
 * (optimize_kprobe() in kernel/kprobes.c, 5.10 to 7.2). The trampoline to which watched functions
 * return is a kprobe, too, and gets such a neighbour.
 */
#include <linux/bitops.h>
#include <linux/irqflags.h>
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/string.h>

#include "mmrace.h"

/*
 * The kernel resolves the symbol of a probe, and "%pS" knows the symbol's size; nothing is
 * armed.
 */
int mmr_find_text(const char *name, struct mmr_text *text)
{
	struct kprobe kp = { .symbol_name = name, .flags = KPROBE_FLAG_DISABLED };
	char said[KSYM_SYMBOL_LEN];
	unsigned long offset, size;
	int err = register_kprobe(&kp);
	char *plus;

	if (err)
		return err;
	text->on_ftrace = kprobe_ftrace(&kp);
	snprintf(said, sizeof(said), "%pS", kp.addr);
	unregister_kprobe(&kp);
	plus = strchr(said, '+');
	if (!plus || sscanf(plus, "+%lx/%lx", &offset, &size) != 2)
		return -ENOENT;
	text->probe = (unsigned long)kp.addr;
	text->start = text->probe - offset;
	text->end = text->start + size;
	return 0;
}

void mmr_aim(struct kprobe *kp, const struct mmr_site *site)
{
	kp->symbol_name = site->symbol;
	kp->offset = site->offset;
	if (mmr_probes_are_traps())
		kp->post_handler = mmr_no_post_handler;
}

void mmr_no_post_handler(struct kprobe *kp, struct pt_regs *regs, unsigned long flags)
{
}
NOKPROBE_SYMBOL(mmr_no_post_handler);

#if defined(CONFIG_PPC64) && defined(CONFIG_PREEMPTION)

#define INSN_SIZE	4

static bool traps_only;

bool mmr_probes_are_traps(void)
{
	return traps_only;
}

/*
 * A trap's handler begins with interrupts off and may turn them on (do_program_check() in
 * arch/powerpc/kernel/traps.c, 6.12), if they were on in what it interrupted.
 */
bool mmr_only_trap_masks_irqs(struct pt_regs *regs)
{
	return traps_only && regs && irqs_disabled() && !(regs->softe & IRQS_DISABLED);
}
NOKPROBE_SYMBOL(mmr_only_trap_masks_irqs);

/* ld r13,D(r1) */
static bool loads_r13(u32 insn)
{
	return (insn & 0xffff0003) == 0xe9a10000;
}

/* Whether the code from symbol @from up to symbol @to does so; a kernel without it does not. */
static bool code_loads_r13(const char *from, const char *to)
{
	struct mmr_text first, behind;
	const u32 *insn;
	int err = mmr_find_text(from, &first);

	if (err == -ENOENT)
		return false;
	/* What cannot be read is not trusted. */
	if (err || mmr_find_text(to, &behind) || behind.start <= first.start ||
	    behind.start - first.start > PAGE_SIZE)
		return true;
	for (insn = (const u32 *)first.start; insn < (const u32 *)behind.start; insn++)
		if (loads_r13(*insn))
			return true;
	return false;
}

/* Where @insn at @addr branches to, 0 if it does not or not relative to itself. */
static unsigned long jump_target(u32 insn, unsigned long addr)
{
	if (insn & 2)
		return 0;
	switch (insn >> 26) {
	case 16:	/* bc */
		return addr + sign_extend64(insn & 0xfffc, 15);
	case 18:	/* b */
		return addr + sign_extend64(insn & 0x03fffffc, 25);
	default:
		return 0;
	}
}

/* A loop that begins there would be taken for so many calls. */
static bool is_branched_to(const struct mmr_text *text, unsigned long place)
{
	unsigned long addr;

	for (addr = text->start; addr < text->end; addr += INSN_SIZE)
		if (jump_target(*(const u32 *)addr, addr) == place)
			return true;
	return false;
}

int mmr_place(struct mmr_site *site)
{
	struct mmr_text text;
	unsigned long place;
	int err;

	if (!traps_only)
		return 0;
	err = mmr_find_text(site->symbol, &text);
	if (err || !text.on_ftrace)
		return err;
	place = text.probe + INSN_SIZE;
	if (place >= text.end || is_branched_to(&text, place))
		return -EOPNOTSUPP;
	site->offset = place - text.start;
	return 0;
}

/* The one that there is: of 6.12 and 7.2, of 6.1. */
static struct kprobe neighbour[] = {
	{ .symbol_name = "arch_rethook_trampoline" },
	{ .symbol_name = "__kretprobe_trampoline" },
};
static struct kprobe *trampoline;	/* its neighbour */

bool mmr_returns_can_be_watched(void)
{
	return !traps_only || trampoline;
}

void mmr_places_init(void)
{
	unsigned int i;

	traps_only = code_loads_r13("ftrace_regs_caller", "ftrace_caller") ||
		     code_loads_r13("optprobe_template_entry", "optprobe_template_end");
	for (i = 0; traps_only && !trampoline && i < ARRAY_SIZE(neighbour); i++) {
		neighbour[i].post_handler = mmr_no_post_handler;
		neighbour[i].flags = KPROBE_FLAG_DISABLED;
		if (!register_kprobe(&neighbour[i]))
			trampoline = &neighbour[i];
	}
}

void mmr_places_exit(void)
{
	if (trampoline)
		unregister_kprobe(trampoline);
}

#endif
