/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only reader of COMPAT_HAVE_*: differences in the shape of the kernel's
 * API. Names of symbols are alternates in probes.def, behaviour is in caps.c.
 */
#ifndef MMRACE_COMPAT_H
#define MMRACE_COMPAT_H

#include <linux/irqflags.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/ptrace.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#ifdef CONFIG_X86_64
#include <asm/ftrace.h>
#endif

#include "compat_generated.h"

#if BITS_PER_LONG != 64
#error "mmrace packs slot numbers and pointers into 64-bit words"
#endif

static __always_inline struct kretprobe *
mmr_kretprobe_of(struct kretprobe_instance *ri)
{
#ifdef COMPAT_HAVE_GET_KRETPROBE
	return get_kretprobe(ri);
#else
	return ri->rp;
#endif
}

/*
 * regs_get_kernel_argument() is missing on s390 and ppc64 in 5.10 and on
 * ppc64 in 6.1, and on s390 it calls functions that are not exported (6.1 to
 * 6.12); the calling conventions themselves do not change.
 */
static __always_inline unsigned long
mmr_regs_argument(struct pt_regs *regs, unsigned int n)
{
#if defined(CONFIG_S390)
	return n < 5 ? regs->gprs[2 + n] : 0;
#elif defined(CONFIG_PPC64)
	return n < 8 ? regs->gpr[3 + n] : 0;
#elif defined(CONFIG_HAVE_FUNCTION_ARG_ACCESS_API)
	return regs_get_kernel_argument(regs, n);
#else
#error "no way to read a function's arguments on this architecture"
#endif
}

/* Who called the function at whose entry the probe is. */
static __always_inline unsigned long mmr_regs_return_address(struct pt_regs *regs)
{
#if defined(CONFIG_X86_64)
	return *(unsigned long *)regs->sp;
#elif defined(CONFIG_S390)
	return regs->gprs[14];
#elif defined(CONFIG_PPC64)
	return regs->link;
#endif
}

/*
 * A probe on an ftrace site has no copy of the instruction there, yet x86 sends
 * a stray breakpoint at its address to it and would then go on at address 0
 * (kprobe_int3_handler(), setup_singlestep(), 5.10 to 7.2). ftrace puts a
 * breakpoint there for moments while it patches, and an emulator that keeps a
 * stale translation executes it later still: seen under QEMU 7.2 TCG when
 * probes came and went under load. Such a hit counts like any other and the
 * function goes on behind its five bytes of call or nop.
 *
 * A breakpoint is recognised by interrupts that only the exception turned off.
 */
static inline int mmr_pass_stray_breakpoint(struct kprobe *kp, struct pt_regs *regs)
{
#ifdef CONFIG_X86_64
	if (!kprobe_ftrace(kp) || !irqs_disabled() ||
	    !(regs->flags & X86_EFLAGS_IF))
		return 0;
	regs->ip = (unsigned long)kp->addr + MCOUNT_INSN_SIZE;
	return 1;
#else
	return 0;
#endif
}

/*
 * s390 returns a struct through a pointer in r2, before the arguments (ELF ABI),
 * and a scalar in r2. pte_t and its like are structs up to 6.12, and
 * later only with CONFIG_STRICT_MM_TYPECHECKS (arch/s390/include/asm/page.h, 7.2).
 */
#ifdef CONFIG_S390
#define COMPAT_PTE_BY_POINTER	(!__builtin_types_compatible_p(pte_t, unsigned long))
#else
#define COMPAT_PTE_BY_POINTER	0
#endif

/* A page stands for its folio: rmap and writeback work on whole folios. */
static __always_inline unsigned long mmr_folio_of(unsigned long page)
{
#ifdef page_folio
	return (unsigned long)page_folio((struct page *)page);
#else
	return (unsigned long)compound_head((struct page *)page);
#endif
}

/* Private memory that nobody needs any more, MADV_FREE. */
static __always_inline bool mmr_is_lazyfree(struct page *page)
{
#ifdef page_folio
	return PageAnon(page) && !folio_test_swapbacked(page_folio(page));
#else
	return PageAnon(page) && !PageSwapBacked(page);
#endif
}

/* A grace period of RCU's, that begins now: compat/table.h. */
struct mmr_grace {
#ifdef COMPAT_HAVE_RCU_FULL_STATE
	struct rcu_gp_oldstate state;
#endif
};

#ifdef COMPAT_HAVE_RMAP_REMOVE_VMA
#define COMPAT_RMAP_REMOVE	"page_remove_rmap(page,vma)"
#else
#define COMPAT_RMAP_REMOVE	"page_remove_rmap(page)"
#endif

#ifdef COMPAT_HAVE_REMOVE_PAGE_DELAY
#define COMPAT_REMOVE_PAGE	"__tlb_remove_page_size(tlb,page,delay)"
#else
#define COMPAT_REMOVE_PAGE	"__tlb_remove_page_size(tlb,page)"
#endif

/* s390 has no function that flushes a gather: there a mark is taken away at its entry. */
#ifdef CONFIG_S390
#define COMPAT_FULLMM_FLUSH	"tlb_flush_mmu(tlb)"
#else
#define COMPAT_FULLMM_FLUSH	"radix__tlb_flush(tlb)"
#endif

/* s390 flushes each entry when clear_refs begins to change it. */
#ifdef CONFIG_S390
#define COMPAT_SOFTDIRTY_FLUSH	"!ptep_modify_prot_start(vma,addr,ptep)@clear_refs_pte_range"
#else
#define COMPAT_SOFTDIRTY_FLUSH	"radix__flush_tlb_mm(mm)@clear_refs_write"
#endif

static inline const char *mmr_preempt_model(void)
{
#ifdef COMPAT_HAVE_PREEMPT_MODEL
	if (preempt_model_none())
		return "none";
	if (preempt_model_voluntary())
		return "voluntary";
	if (preempt_model_full())
		return "full";
#endif
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return "rt";
	if (IS_ENABLED(CONFIG_PREEMPT_LAZY))
		return "lazy";
	if (IS_ENABLED(CONFIG_PREEMPT))
		return "full";
	return IS_ENABLED(CONFIG_PREEMPT_VOLUNTARY) ? "voluntary" : "none";
}

static inline const char *mmr_delayed_rmap(void)
{
#if defined(CONFIG_MMU_GATHER_NO_GATHER) || !defined(CONFIG_SMP)
	return "no";
#elif defined(COMPAT_HAVE_DELAYED_RMAP)
	return "yes";
#else
	return "no";
#endif
}

#endif /* MMRACE_COMPAT_H */
