// SPDX-License-Identifier: GPL-2.0
/* The agent's loop: commands in, everything that happens out. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <termios.h>
#include <unistd.h>

#include "agent.h"

#define PLAN_PATH	"/mmrace/plan"
#define SCRIPT_PATH	"/mmrace/commands"
#define TICK_MS		20

static bool is_init;
static bool finished;

static double uptime_s(void)
{
	double uptime = 0;
	FILE *file = fopen("/proc/uptime", "re");

	if (file) {
		if (fscanf(file, "%lf", &uptime) != 1)
			uptime = 0;
		fclose(file);
	}
	return uptime;
}

static void say_hello(void)
{
	struct utsname uts;

	uname(&uts);
	emit_begin("hello");
	emit_str("agent", AGENT_VERSION);
	emit_str("release", uts.release);
	emit_str("machine", uts.machine);
	emit_int("cpus", sysconf(_SC_NPROCESSORS_ONLN));
	emit_int("page_size", sysconf(_SC_PAGESIZE));
	emit_int("mem_kb", sysconf(_SC_PHYS_PAGES) / 1024 * sysconf(_SC_PAGESIZE));
	emit_seconds("uptime_s", uptime_s());
	emit_end();
}

static void power_off(void)
{
	sync();
	if (is_init) {
		tcdrain(STDOUT_FILENO);	/* the console's tty still holds the last records */
		reboot(RB_POWER_OFF);
	}
	finished = true;
}

/* Every command but read, run and poweroff is answered by one reply. */
static void command(char **field, int nr)
{
	const char *name = field[0];
	const char *id = nr > 1 ? field[1] : "";
	int error = EINVAL;

	if (!strcmp(name, "poweroff")) {
		power_off();
		return;
	}
	if (!strcmp(name, "read") && nr == 3) {
		file_read(id, field[2]);
		return;
	}
	if (!strcmp(name, "run") && nr >= 4) {
		error = child_start(id, atof(field[2]), &field[3]);
		if (!error)
			return;	/* answered by its exit record */
	} else if (!strcmp(name, "write") && nr == 4) {
		error = file_write(field[2], field[3]);
	} else if (!strcmp(name, "insmod") && nr >= 3) {
		error = boot_insmod(field[2], nr > 3 ? field[3] : "");
	} else if (!strcmp(name, "rmmod") && nr == 3) {
		error = syscall(SYS_delete_module, field[2], O_NONBLOCK) < 0 ? errno : 0;
	} else if (!strcmp(name, "sysrq") && nr == 3) {
		error = file_write("/proc/sysrq-trigger", field[2]);
	} else if (!strcmp(name, "kill") && nr == 2) {
		error = child_kill(id);
	} else if (!strcmp(name, "ping") && nr == 2) {
		error = 0;
	}
	emit_reply(id, error);
}

static void command_line(char *line)
{
	char *field[AGENT_ARGS_MAX + 1] = { NULL };
	int nr = 0;

	while (line && nr < AGENT_ARGS_MAX)
		field[nr++] = strsep(&line, "\t");
	if (nr && *field[0])
		command(field, nr);
}

static void read_commands(int fd)
{
	static char line[AGENT_LINE_MAX];
	static size_t used;
	ssize_t n = read(fd, line + used, sizeof(line) - 1 - used);
	size_t start = 0;

	if (n == 0 && !is_init)
		finished = true;	/* --stdio: whoever asked is gone */
	if (n <= 0)
		return;
	used += (size_t)n;
	for (size_t i = 0; i < used; i++) {
		if (line[i] != '\n')
			continue;
		line[i] = '\0';
		command_line(line + start);
		start = i + 1;
	}
	memmove(line, line + start, used - start);
	used -= start;
	if (used == sizeof(line) - 1) {
		emit_reply("", E2BIG);
		used = 0;
	}
}

/*
 * A guest that nobody talks to (a lab boots it and reads its console) takes
 * its commands from a file, each when the one before has ended.
 */
static void script_step(FILE *script)
{
	static char line[AGENT_LINE_MAX];

	if (child_busy() || !fgets(line, sizeof(line), script))
		return;
	line[strcspn(line, "\n")] = '\0';
	command_line(line);
}

static void loop(int commands, int kmsg, FILE *script)
{
	double next_beat = 0;

	while (!finished) {
		struct pollfd fds[2 + CHILD_POLLFDS] = {
			{ .fd = commands, .events = POLLIN },
			{ .fd = kmsg, .events = POLLIN },
		};
		int children = child_pollfds(&fds[2]);
		int ready = poll(fds, 2 + (nfds_t)children, TICK_MS);

		if (ready > 0) {
			if (fds[0].revents & POLLIN)
				read_commands(commands);
			else if (fds[0].revents && !is_init)
				finished = true;
			else if (fds[0].revents)
				usleep(TICK_MS * 1000);	/* the host has not connected yet */
			if (fds[1].revents)
				kmsg_drain(kmsg);
			child_handle(&fds[2], children);
		}
		child_tick();
		if (script)
			script_step(script);
		if (monotonic_s() >= next_beat) {
			next_beat = monotonic_s() + 1;
			emit_begin("beat");
			emit_seconds("uptime_s", uptime_s());
			emit_end();
		}
	}
}

int main(int argc, char **argv)
{
	int commands = STDIN_FILENO;
	FILE *script = NULL;
	int kmsg;

	is_init = getpid() == 1;
	if (!is_init && (argc != 2 || strcmp(argv[1], "--stdio"))) {
		fprintf(stderr, "usage: %s --stdio\n", argv[0]);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	emit_open(STDOUT_FILENO);
	if (is_init) {
		boot_run(PLAN_PATH);
		script = fopen(SCRIPT_PATH, "re");
		commands = script ? -1 : boot_open_port("mmrace.ctl", O_RDONLY | O_NONBLOCK, 5000);
	}
	/* Before the first word: what happens after it is in the log that is read. */
	kmsg = kmsg_open(!is_init);
	say_hello();
	loop(commands, kmsg, script);
	child_abandon();
	return 0;
}
