/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changing the course of a probed function from its pre-handler. A probe
 * that does so needs a post_handler, if an empty one: it keeps the kernel from
 * optimizing the probe into a jump that ignores the instruction pointer, and
 * selects the ftrace_ops that honours it (kernel/kprobes.c, 5.10 to 7.2).
 */
#ifndef MMRACE_COMPAT_SKIP_H
#define MMRACE_COMPAT_SKIP_H

#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/ptrace.h>
#include <linux/string.h>

#include "mmrace.h"

unsigned long mmr_return_zero(void);

/* As if the function had returned at once, with 0. The pre-handler then returns 1. */
static __always_inline void mmr_skip_function(struct pt_regs *regs)
{
#if defined(CONFIG_X86_64)
	/* ftrace does not take back regs->sp, so a function of ours pops the address. */
	regs->ip = (unsigned long)mmr_return_zero;
#elif defined(CONFIG_S390)
	regs->psw.addr = regs->gprs[14];
#elif defined(CONFIG_PPC64)
	regs->gpr[3] = 0;
	regs_set_return_ip(regs, regs->link);
#else
#error "no way to skip a function on this architecture"
#endif
}

static __always_inline void mmr_set_argument(struct pt_regs *regs,
					     unsigned int n, unsigned long value)
{
#if defined(CONFIG_X86_64)
	unsigned long *const arg[] = { &regs->di, &regs->si, &regs->dx, &regs->cx };

	if (n < ARRAY_SIZE(arg))
		*arg[n] = value;
#elif defined(CONFIG_S390)
	regs->gprs[2 + n] = value;
#elif defined(CONFIG_PPC64)
	regs->gpr[3 + n] = value;
#endif
}

/* Whether nobody calls @symbol, as it is for the MMU that this ppc64 does not use. */
static inline bool mmr_is_of_other_mmu(const char *symbol)
{
#ifdef CONFIG_PPC_BOOK3S_64
	return strstarts(symbol, "radix__") && !radix_enabled();
#else
	return false;
#endif
}

/*
 * s390 flushes lazily: __tlb_flush_mm_lazy() does so when this is set (6.1 to
 * 7.2). Returns whether there was something to forget.
 */
static __always_inline bool mmr_forget_lazy_flush(struct mm_struct *mm)
{
#ifdef CONFIG_S390
	if (!mm->context.flush_mm)
		return false;
	mm->context.flush_mm = 0;
	return true;
#else
	return false;
#endif
}

/*
 * ptep_xchg_direct() and _lazy() without the IPTE or IDTE. An mm with guest storage
 * keys (pgste) has more to exchange and is left alone.
 */
static __always_inline bool mmr_exchange_unflushed(struct pt_regs *regs,
						   struct mm_struct *mm,
						   pte_t *ptep, unsigned long new)
{
#ifdef CONFIG_S390
#ifdef COMPAT_HAVE_PGSTE
	if (mm_has_pgste(mm))
		return false;
#endif
	if (COMPAT_PTE_BY_POINTER)
		*(pte_t *)regs->gprs[2] = READ_ONCE(*ptep);
	else
		regs->gprs[2] = pte_val(READ_ONCE(*ptep));
	WRITE_ONCE(*ptep, __pte(new));
	return true;
#else
	return false;
#endif
}

/*
 * ptep_modify_prot_start() of s390 without its flush. Where there are guest storage keys it
 * leaves preemption off for ptep_modify_prot_commit() (6.1, 6.12; no longer in 7.2).
 */
static __always_inline bool mmr_modify_unflushed(struct pt_regs *regs, struct mm_struct *mm,
						 pte_t *ptep)
{
	if (!mmr_exchange_unflushed(regs, mm, ptep, pte_val(READ_ONCE(*ptep))))
		return false;
#ifdef COMPAT_HAVE_PGSTE
	preempt_disable();
#endif
	return true;
}

#endif /* MMRACE_COMPAT_SKIP_H */
