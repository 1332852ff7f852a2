// All of Ringway for C++.
#pragma once

#include <ringway/connection.hpp>
#include <ringway/counters.hpp>
#include <ringway/handover.hpp>
#include <ringway/resume.hpp>
#include <ringway/typed.hpp>
