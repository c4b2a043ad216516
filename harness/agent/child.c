// SPDX-License-Identifier: GPL-2.0
/*
 * The one child at a time: started in a session of its own, its two output
 * streams and its report descriptor relayed line by line, ended as a whole
 * process group when its time is up.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

struct stream {
	int fd;
	size_t used;
	char line[AGENT_LINE_MAX];
};

enum { STREAM_OUT, STREAM_ERR, STREAM_REPORT, STREAMS };

static struct {
	pid_t pid;		/* 0: none */
	char id[128];
	double started_s;
	double deadline_s;
	bool timed_out;
	bool ended;
	int wait_status;
	struct stream stream[STREAMS];
} child = {
	.stream = { { .fd = -1 }, { .fd = -1 }, { .fd = -1 } },
};

double monotonic_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool child_busy(void)
{
	return child.pid != 0;
}

static void relay_line(int which, const char *line, size_t len)
{
	if (which == STREAM_REPORT && len > 1 && line[0] == '{' && line[len - 1] == '}') {
		emit_begin("race");
		emit_str("id", child.id);
		emit_raw("r", line, len);
		emit_end();
		return;
	}
	emit_begin("out");
	emit_str("id", child.id);
	emit_int("fd", which == STREAM_OUT ? 1 : 2);
	emit_text("text", line, len);
	emit_end();
}

static void relay_stream(int which)
{
	struct stream *stream = &child.stream[which];
	ssize_t n = read(stream->fd, stream->line + stream->used,
			 sizeof(stream->line) - stream->used);
	size_t start = 0;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		if (stream->used)
			relay_line(which, stream->line, stream->used);
		close(stream->fd);
		stream->fd = -1;
		stream->used = 0;
		return;
	}
	stream->used += (size_t)n;
	for (size_t i = stream->used - (size_t)n; i < stream->used; i++) {
		if (stream->line[i] != '\n')
			continue;
		relay_line(which, stream->line + start, i - start);
		start = i + 1;
	}
	memmove(stream->line, stream->line + start, stream->used - start);
	stream->used -= start;
	if (stream->used == sizeof(stream->line)) {
		relay_line(which, stream->line, stream->used);
		stream->used = 0;
	}
}

static void exec_child(char **argv, int pipes[STREAMS][2])
{
	static char report_number[16];
	sigset_t none;
	int null_fd;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	null_fd = open("/dev/null", O_RDONLY);
	if (null_fd >= 0)
		dup2(null_fd, STDIN_FILENO);
	dup2(pipes[STREAM_OUT][1], STDOUT_FILENO);
	dup2(pipes[STREAM_ERR][1], STDERR_FILENO);
	/* dup() gives a descriptor without close-on-exec: this one is meant. */
	snprintf(report_number, sizeof(report_number), "%d", dup(pipes[STREAM_REPORT][1]));
	for (char **arg = argv; *arg; arg++)
		if (!strcmp(*arg, "@REPORT"))
			*arg = report_number;
	execv(argv[0], argv);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int child_start(const char *id, double timeout_s, char **argv)
{
	int pipes[STREAMS][2];
	pid_t pid;

	if (child_busy())
		return EBUSY;
	for (int i = 0; i < STREAMS; i++)
		if (pipe2(pipes[i], O_CLOEXEC) < 0)
			return errno;
	pid = fork();
	if (pid < 0)
		return errno;
	if (pid == 0)
		exec_child(argv, pipes);
	for (int i = 0; i < STREAMS; i++) {
		close(pipes[i][1]);
		child.stream[i].fd = pipes[i][0];
		child.stream[i].used = 0;
	}
	child.pid = pid;
	child.ended = false;
	child.timed_out = false;
	child.started_s = monotonic_s();
	child.deadline_s = child.started_s + timeout_s;
	snprintf(child.id, sizeof(child.id), "%s", id);
	return 0;
}

int child_kill(const char *id)
{
	if (!child_busy() || strcmp(id, child.id))
		return ESRCH;
	kill(-child.pid, SIGTERM);
	return 0;
}

int child_pollfds(struct pollfd *fds)
{
	for (int i = 0; i < STREAMS; i++) {
		fds[i].fd = child.stream[i].fd;
		fds[i].events = POLLIN;
		fds[i].revents = 0;
	}
	return STREAMS;
}

void child_handle(struct pollfd *fds, int nr)
{
	for (int i = 0; i < nr; i++)
		if (child.stream[i].fd >= 0 && fds[i].revents)
			relay_stream(i);
}

static void emit_exit(void)
{
	int status = child.wait_status;

	emit_begin("exit");
	emit_str("id", child.id);
	if (WIFEXITED(status)) {
		emit_int("status", WEXITSTATUS(status));
		emit_null("signal");
	} else {
		emit_null("status");
		emit_int("signal", WTERMSIG(status));
	}
	emit_bool("timed_out", child.timed_out);
	emit_seconds("elapsed_s", monotonic_s() - child.started_s);
	emit_end();
}

/*
 * Reap everything (as init, orphans come here too); end the child's group when
 * its time is up: SIGTERM first, so that it can restore what it changed, and
 * SIGKILL five seconds later.
 */
void child_tick(void)
{
	bool drained = true;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != child.pid)
			continue;
		child.ended = true;
		child.wait_status = status;
		/* What it left behind must not hold our pipes open. */
		kill(-child.pid, SIGKILL);
	}
	if (!child_busy())
		return;
	if (!child.ended && monotonic_s() > child.deadline_s) {
		kill(-child.pid, child.timed_out ? SIGKILL : SIGTERM);
		child.timed_out = true;
		child.deadline_s = monotonic_s() + 5;
	}
	for (int i = 0; i < STREAMS; i++)
		drained = drained && child.stream[i].fd < 0;
	if (child.ended && drained) {
		emit_exit();
		child.pid = 0;
	}
}

/*
 * The harness is gone (--stdio): end the child as on a timeout, so that no
 * race goes on on a host that nobody watches.
 */
void child_abandon(void)
{
	double patience_s = monotonic_s() + 5;

	if (!child_busy() || child.ended)
		return;
	kill(-child.pid, SIGTERM);
	while (waitpid(child.pid, &child.wait_status, WNOHANG) == 0) {
		if (monotonic_s() > patience_s)
			kill(-child.pid, SIGKILL);
		usleep(20000);
	}
}
