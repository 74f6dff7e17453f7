/* Makes directories from functions with frames of all kinds. */
#include <alloca.h>
#include <string.h>
#include <sys/stat.h>

#define ONE __attribute__((noipa)) int

ONE plain(const char *name) {
	int failed = mkdir(name, 0700);
	return failed + 1;
}

ONE with_array(const char *name, int n) {
	char copy[n + strlen(name) + 1];
	strcpy(copy, name);
	int failed = mkdir(copy, 0700);
	return failed + copy[0];
}

ONE aligned(const char *name) {
	char copy[64] __attribute__((aligned(64)));
	copy[0] = 0;
	int failed = plain(name);
	__asm__ volatile("" : : "r"(copy) : "memory");
	return failed + copy[0];
}

ONE many(const char *name, int a, int b, int c, int d, int e, int f, int g) {
	return plain(name) + a + b + c + d + e + f + g;
}

int main(int argc, char **argv) {
	plain(argv[1]);
	with_array(argv[2], 100 * argc);
	aligned(argv[3]);
	many(argv[4], 1, 2, 3, 4, 5, 6, argc);
	return 0;
}
