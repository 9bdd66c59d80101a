#include "counted_new_definitions.h"
