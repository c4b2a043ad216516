/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The agent: what runs on the machine under test. It is /init in a guest and
 * a plain program (--stdio) on a host. Commands come in as lines, records go
 * out as NDJSON; docs/contracts.md, section 3, is the law.
 *
 * One thread, one poll loop. Every record is one write(2) sequence that ends
 * with its newline, so a panic costs at most the record under way.
 */
#ifndef MMRACE_AGENT_H
#define MMRACE_AGENT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define AGENT_VERSION		"1"
#define AGENT_LINE_MAX		65536	/* bytes of a command, or of one line of a child */
#define AGENT_READ_MAX		(512 * 1024)	/* bytes of a file sent in one record */
#define AGENT_ARGS_MAX		128

/* emit.c: records */
void emit_open(int fd);
void emit_begin(const char *type);
void emit_str(const char *key, const char *text);
void emit_text(const char *key, const char *text, size_t len);
void emit_int(const char *key, long long value);
void emit_bool(const char *key, bool value);
void emit_null(const char *key);
void emit_seconds(const char *key, double seconds);
void emit_raw(const char *key, const char *json, size_t len);
void emit_end(void);
void emit_reply(const char *id, int error);

/* boot.c: what /init does before it listens */
void boot_run(const char *plan_path);
int boot_open_port(const char *name, int flags, int wait_ms);
int boot_insmod(const char *path, const char *params);

/* child.c: the one child at a time */
struct pollfd;
#define CHILD_POLLFDS	3
bool child_busy(void);
int child_start(const char *id, double timeout_s, char **argv);
int child_kill(const char *id);
int child_pollfds(struct pollfd *fds);
void child_handle(struct pollfd *fds, int nr);
void child_tick(void);
void child_abandon(void);

/* kmsg.c: the kernel's log */
int kmsg_open(bool from_now);
void kmsg_drain(int fd);

/* files.c: reading and writing files for the harness */
void file_read(const char *id, const char *path);
int file_write(const char *path, const char *text);

double monotonic_s(void);

#endif /* MMRACE_AGENT_H */
