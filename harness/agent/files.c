// SPDX-License-Identifier: GPL-2.0
/* Files of the machine under test, read and written for the harness. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

/* A directory is read as its names, one a line. */
static void list_directory(const char *id, const char *path, DIR *dir)
{
	static char text[AGENT_READ_MAX];
	struct dirent *entry;
	size_t used = 0;

	while ((entry = readdir(dir)) && used + sizeof(entry->d_name) + 1 < sizeof(text))
		if (entry->d_name[0] != '.')
			used += (size_t)sprintf(text + used, "%s\n", entry->d_name);
	closedir(dir);
	emit_begin("file");
	emit_str("id", id);
	emit_str("path", path);
	emit_bool("ok", true);
	emit_text("text", text, used);
	emit_bool("truncated", entry != NULL);
	emit_end();
}

void file_read(const char *id, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool truncated = false;
	size_t used = 0;
	int error = 0;
	DIR *dir = opendir(path);
	char *text;

	if (dir) {
		if (fd >= 0)
			close(fd);
		list_directory(id, path, dir);
		return;
	}
	text = malloc(AGENT_READ_MAX);
	if (fd < 0 || !text)
		error = fd < 0 ? errno : ENOMEM;
	while (!error) {
		ssize_t n;

		if (used == AGENT_READ_MAX) {
			truncated = true;
			break;
		}
		n = read(fd, text + used, AGENT_READ_MAX - used);
		if (n < 0 && errno != EINTR)
			error = errno;
		if (n == 0)
			break;
		if (n > 0)
			used += (size_t)n;
	}
	emit_begin("file");
	emit_str("id", id);
	emit_str("path", path);
	emit_bool("ok", error == 0);
	if (error) {
		emit_str("error", strerror(error));
	} else {
		emit_text("text", text, used);
		emit_bool("truncated", truncated);
	}
	emit_end();
	free(text);
	if (fd >= 0)
		close(fd);
}

/* One write(2): debugfs and procfs take a command whole or not at all. */
int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		error = errno;
	if (close(fd) < 0 && !error)
		error = errno;
	return error;
}
