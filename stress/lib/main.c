// SPDX-License-Identifier: GPL-2.0
#include "core.h"

int main(int argc, char **argv)
{
	return race_main(argc, argv);
}
