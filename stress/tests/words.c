// SPDX-License-Identifier: GPL-2.0
/*
 * The oracle of the words: silent on memory that behaves, loud about each way in which
 * it can be wrong. What a broken kernel would do, main does here.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core.h"
#include "ktap.h"
#include "words.h"

#define PAGES 4
#define TURNS 50

enum deed { NOTHING, BACK, NEVER_STORED, WHOLE_PAGE };
static const char *const deeds[] = {
	"nothing", "back", "never-stored", "whole-page", NULL
};

static char *mem;

static void setup(void)
{
	mem = mmap(NULL, PAGES * race_page_size(), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (way_process_vm.setup())
		race_skip("no process_vm_readv()");
	words_setup(mem, PAGES, 2);
}

static void writer0(void)
{
	if (race_round() % 2)
		words_run(0, &way_cpu);
	else
		words_run_alike(0, &way_cpu);
}

static void writer1(void)
{
	words_run(1, &way_process_vm);
}

/* What the page held a moment ago, or what it never held. */
static void meddle(void)
{
	char old[64];
	volatile uint64_t *word;
	uint64_t before;

	for (int i = 0; i < TURNS; i++) {
		char *page = mem + i % PAGES * race_page_size();

		word = words_at(i % 2, i % PAGES);
		before = *word;
		memcpy(old, page, sizeof(old));
		race_delay(100000);
		switch (race_option_index("deed")) {
		case BACK:
			*word = before;
			break;
		case NEVER_STORED:
			*word = before + (1ULL << 40);
			break;
		case WHOLE_PAGE:
			memcpy(page, old, sizeof(old));
			break;
		default:
			break;
		}
	}
}

const struct race race = {
	.name = "meddler",
	.theme = "none",
	.summary = "meddles with words",
	.options = (const struct race_option[]){
		{ "deed", deeds, "nothing", .help = "what to do" },
		{ NULL }
	},
	.actors = (const struct race_actor[]){
		{ .name = "writer0", .loops = true, .act = writer0 },
		{ .name = "writer1", .loops = true, .act = writer1 },
		{ NULL }
	},
	.setup = setup,
	.main_act = meddle,
	.judge = words_judge,
	.extra = words_extra,
};

/* The program's exit status. */
static int run(const char *deed)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		char *argv[] = { "meddler", "--deed", (char *)deed,
				 "--duration", "1", NULL };

		dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
		_exit(race_main(ARRAY_SIZE(argv) - 1, argv));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void silent(void)
{
	CHECK(run("nothing") == 0);
}

static void put_back(void)
{
	CHECK(run("back") == 1);
}

static void never_stored(void)
{
	CHECK(run("never-stored") == 1);
}

static void whole_page(void)
{
	CHECK(run("whole-page") == 1);
}

static void torn(void)
{
	/* One number, or one byte that differs: nothing can be torn. */
	CHECK(words_possible(5, 5, 5));
	CHECK(words_possible(6, 5, 7));
	CHECK(!words_possible(4, 5, 7));
	CHECK(!words_possible(8, 5, 7));
	CHECK(!words_possible(0x200, 0x105, 0x107));
	/* 0xff and 0x100 make 0x1ff and 0. */
	CHECK(words_possible(0x1ff, 0xff, 0x100));
	CHECK(words_possible(0, 0xff, 0x100));
	CHECK(!words_possible(0x10000, 0xff, 0x100));
	CHECK(words_possible(0x2ffff, 0x1ffff, 0x20000));
	CHECK(!words_possible(0x1000000, 0x1ffff, 0x20000));
}

int main(void)
{
	static const struct test tests[] = {
		{ "words: memory that behaves", silent },
		{ "words: a word put back", put_back },
		{ "words: a word that nobody stored", never_stored },
		{ "words: a page put back", whole_page },
		{ "words: bytes of two numbers", torn },
	};

	return KTAP_RUN(tests);
}
