// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include <unistd.h>

#include "core.h"
#include "ktap.h"

static const char *const colours[] = { "red", "green", NULL };

const struct race race = {
	.name = "painter",
	.theme = "none",
	.summary = "a race of the tests",
	.options = (const struct race_option[]){
		{ "colour", colours, "green", .help = "of the paint" },
		{ "coats", NULL, "2", 1, 9, "layers of it" },
		{ NULL }
	},
};

#define PARSE(out, ...)							\
	({								\
		char *argv_[] = { "painter", ##__VA_ARGS__, NULL };	\
		args_parse(&race, sizeof(argv_) / sizeof(argv_[0]) - 1,	\
			   argv_, out);					\
	})

static void defaults(void)
{
	CHECK(!PARSE(&args));
	CHECK(args.mode == MODE_NATURAL);
	CHECK(args.duration_s == 10);
	CHECK(args.report_fd == -1);
	CHECK(!strcmp(args.dir, "."));
	CHECK(race_option_index("colour") == 1);
	CHECK(race_option_number("coats") == 2);
}

static void taken(void)
{
	CHECK(!PARSE(&args, "--mode", "widened", "--duration", "0.5", "--seed",
		     "18446744073709551615", "--dir", "/x", "--report-fd", "1",
		     "--colour", "red", "--coats=9"));
	CHECK(args.mode == MODE_WIDENED);
	CHECK(args.duration_s == 0.5);
	CHECK(args.seed == UINT64_MAX);
	CHECK(args.report_fd == 1);
	CHECK(race_option_index("colour") == 0);
	CHECK(race_option_number("coats") == 9);
	CHECK(!PARSE(&args, "--describe"));
	CHECK(args.describe);
	CHECK(!PARSE(&args, "--help"));
	CHECK(args.help);
}

static void refused(void)
{
	static const struct {
		char *name, *value;
	} wrong[] = {
		{ "--mode", "wild" }, { "--mode", "" }, { "--duration", "0" },
		{ "--duration", "-1" }, { "--duration", "1x" },
		{ "--duration", "nan" }, { "--duration", "1e99" },
		{ "--seed", "-1" }, { "--seed", "1x" }, { "--seed", "" },
		{ "--seed", "18446744073709551616" }, { "--report-fd", "999" },
		{ "--report-fd", "-1" }, { "--colour", "blue" },
		{ "--coats", "0" }, { "--coats", "10" }, { "--coats", "two" },
		{ "--size", "1" }, { "--describe=yes", "" }, { "duration", "1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		const char *problem = PARSE(&args, wrong[i].name, wrong[i].value);

		CHECK(problem);
		if (!problem)
			printf("# %s %s was taken\n", wrong[i].name,
			       wrong[i].value);
	}
	CHECK(PARSE(&args, "--seed"));
	/* What is wrong is named, and what would be right. */
	CHECK(strstr(PARSE(&args, "--colour", "blue"), "red green"));
	CHECK(strstr(PARSE(&args, "--coats", "0"), "1 to 9"));
}

static void replay(void)
{
	char text[256];

	CHECK(!PARSE(&args, "--seed", "7", "--colour", "red"));
	args_replay(&race, &args, text, sizeof(text));
	CHECK(!strcmp(text, "painter --mode natural --duration 10 --seed 7 --dir . --colour red --coats 2"));
}

static void describe(void)
{
	char text[1024];
	struct json j;

	json_init(&j, text, sizeof(text));
	args_describe(&race, &j);
	CHECK(!j.full);
	CHECK(!strcmp(text, "{\"name\":\"painter\",\"theme\":\"none\",\"summary\":\"a race of the tests\",\"needs\":[],\"windows\":[],\"control\":null,\"exposure\":{\"counter\":null,\"min\":0},\"options\":[{\"name\":\"colour\",\"values\":[\"red\",\"green\"],\"default\":\"green\",\"help\":\"of the paint\"},{\"name\":\"coats\",\"values\":null,\"default\":\"2\",\"help\":\"layers of it\"}]}"));
}

int main(void)
{
	static const struct test tests[] = {
		{ "args: defaults", defaults },
		{ "args: taken", taken },
		{ "args: refused", refused },
		{ "args: replay", replay },
		{ "args: describe", describe },
	};

	return KTAP_RUN(tests);
}
