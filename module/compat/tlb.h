/* SPDX-License-Identifier: GPL-2.0 */
/*
 * struct mmu_gather for a module. x86 hides its flush functions from modules
 * (asm/tlbflush.h, #ifndef MODULE) but not the inline function in asm/tlb.h
 * that calls one: it needs the declaration, and nobody calls it here.
 */
#ifndef MMRACE_COMPAT_TLB_H
#define MMRACE_COMPAT_TLB_H

#include <linux/mm.h>
#include <asm/tlbflush.h>

#ifdef CONFIG_X86
void flush_tlb_mm_range(struct mm_struct *mm, unsigned long start,
			unsigned long end, unsigned int stride_shift,
			bool freed_tables);
#endif

#include <asm/tlb.h>

#endif /* MMRACE_COMPAT_TLB_H */
