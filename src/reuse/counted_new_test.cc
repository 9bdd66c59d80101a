#include "testing/counted_new_definitions.h"
