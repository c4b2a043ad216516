/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoints mmrace:*, for trace-cmd and perf. Names are copied into the
 * record, as a pointer into the module means nothing to who reads it later.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mmrace

#if !defined(MMRACE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define MMRACE_TRACE_H

#include <linux/string.h>
#include <linux/tracepoint.h>

#define MMR_TRACE_NAME	24

/* A probe was hit by a target. */
TRACE_EVENT(probe_hit,
	TP_PROTO(const char *name, const void *mm, unsigned long addr),
	TP_ARGS(name, mm, addr),
	TP_STRUCT__entry(
		__array(char, name, MMR_TRACE_NAME)
		__field(const void *, mm)
		__field(unsigned long, addr)
	),
	TP_fast_assign(
		strscpy(__entry->name, name, MMR_TRACE_NAME);
		__entry->mm = mm;
		__entry->addr = addr;
	),
	TP_printk("%s mm=%p addr=0x%lx", __entry->name, __entry->mm, __entry->addr)
);

/* A window has delayed a target. */
TRACE_EVENT(window_delay,
	TP_PROTO(const char *name, u64 ns),
	TP_ARGS(name, ns),
	TP_STRUCT__entry(
		__array(char, name, MMR_TRACE_NAME)
		__field(u64, ns)
	),
	TP_fast_assign(
		strscpy(__entry->name, name, MMR_TRACE_NAME);
		__entry->ns = ns;
	),
	TP_printk("%s %llu ns", __entry->name, __entry->ns)
);

/* A plant has acted. */
TRACE_EVENT(plant_hit,
	TP_PROTO(const char *name, const void *mm),
	TP_ARGS(name, mm),
	TP_STRUCT__entry(
		__array(char, name, MMR_TRACE_NAME)
		__field(const void *, mm)
	),
	TP_fast_assign(
		strscpy(__entry->name, name, MMR_TRACE_NAME);
		__entry->mm = mm;
	),
	TP_printk("%s mm=%p", __entry->name, __entry->mm)
);

/* A law was seen broken. */
TRACE_EVENT(finding,
	TP_PROTO(const char *law, const void *mm, unsigned long addr),
	TP_ARGS(law, mm, addr),
	TP_STRUCT__entry(
		__array(char, law, MMR_TRACE_NAME)
		__field(const void *, mm)
		__field(unsigned long, addr)
	),
	TP_fast_assign(
		strscpy(__entry->law, law, MMR_TRACE_NAME);
		__entry->mm = mm;
		__entry->addr = addr;
	),
	TP_printk("%s mm=%p addr=0x%lx", __entry->law, __entry->mm, __entry->addr)
);

#endif /* MMRACE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
