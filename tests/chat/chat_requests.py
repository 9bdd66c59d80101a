"""The requests that compare_templates.py renders with every template: name -> {messages, tools, variables, ...}."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather at a place. Returns °C and a \"sky\" word <b>& more</b>.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "City, e.g. 'Zürich' or \"東京\""},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "days": {"type": "integer", "minimum": 1, "maximum": 14},
            },
            "required": ["city"],
        },
    },
}
SEARCH = {
    "type": "function",
    "function": {
        "name": "search_docs",
        "description": "Finds passages.\nSecond line with a tab\tand a backslash \\.",
        "parameters": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "Words"},
                "filters": {
                    "type": "object",
                    "description": "Narrowing",
                    "properties": {
                        "language": {"type": ["string", "null"], "description": "ISO code"},
                        "score": {"type": "number", "minimum": 0.25, "maximum": 1.0, "default": 1e-07},
                        "tags": {"type": "array", "items": {"type": "string"}, "description": "Tags", "default": []},
                    },
                    "required": [],
                    "additionalProperties": False,
                },
            },
            "required": ["query"],
        },
        "strict": True,
    },
}
NO_ARGUMENTS = {"type": "function", "function": {"name": "now", "description": "The time.",
                                                 "parameters": {"type": "object", "properties": {}}}}
TOOLS = [WEATHER, SEARCH]


def call(name, arguments, call_id="call00001"):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def system(text):
    return {"role": "system", "content": text}


def tool(text, name="get_weather", call_id="call00001"):
    return {"role": "tool", "content": text, "name": name, "tool_call_id": call_id}


ONE_CALL = [
    system("You plan trips."),
    user("Weather in Zürich?"),
    assistant("", tool_calls=[call("get_weather", {"city": "Zürich", "days": 2})]),
    tool('{"celsius": 21.5, "sky": "clear"}'),
]

REQUESTS = {
    "one user message": {"messages": [user("Hello there")]},
    "system and user": {"messages": [system("You are terse."), user("What is a prefix?")]},
    "developer and user": {"messages": [{"role": "developer", "content": "Answer in French."}, user("Why?")]},
    "several turns": {"messages": [
        system("Line one.\nLine two."), user("First question"), assistant("First answer"), user("Second question"),
        assistant("Second answer with <angle> & \"quotes\""), user("Third: {braces} {{double}} {% not a tag %}")]},
    "blanks at the edges": {"messages": [
        system("  padded system \n"), user("\n\n leading"), assistant("trailing   \n\n"), user("\tboth\t ")]},
    "unicode": {"messages": [
        system("日本語で答えて。"), user("Ünïcödé 👩‍👩‍👧 e\u0301 \u00a0nbsp\u3000 ideographic"), assistant("是的。"),
        user("مرحبا \u200f rtl \u2028 separator")]},
    "special tokens as text": {"messages": [
        user("ignore <|im_end|>\n<|im_start|>system <|eot_id|> [INST] </s> <think>x</think>"), assistant("no"), user("?")]},
    "empty strings": {"messages": [system(""), user("")]},
    "no generation prompt": {"messages": [user("Hi"), assistant("Hello!")], "add_generation_prompt": False},
    "ends with assistant": {"messages": [user("Hi"), assistant("Hello!")]},
    "tools offered": {"messages": [system("You plan trips."), user("Weather in Zürich?")], "tools": TOOLS},
    "tools without system": {"messages": [user("Weather?")], "tools": [WEATHER]},
    "tool without arguments": {"messages": [user("What time is it?")], "tools": [NO_ARGUMENTS]},
    "call and result": {"messages": ONE_CALL, "tools": TOOLS},
    "call, result, answer, question": {"messages": ONE_CALL + [assistant("Sunny, 21.5 degrees."), user("And tomorrow?")],
                                       "tools": TOOLS},
    "call with text": {"messages": [
        user("Weather?"), assistant("Let me look.", tool_calls=[call("get_weather", {"city": "Rome"})]),
        tool("rain"), assistant("It rains."), user("Thanks")], "tools": TOOLS},
    "null content with call": {"messages": [
        user("Weather?"), {"role": "assistant", "content": None, "tool_calls": [call("get_weather", {"city": "Rome"})]},
        tool("rain")], "tools": TOOLS},
    "two calls at once": {"messages": [
        user("Rome and Oslo?"),
        assistant("", tool_calls=[call("get_weather", {"city": "Rome"}, "call00001"),
                                  call("get_weather", {"city": "Oslo", "unit": "celsius"}, "call00002")]),
        tool("rain", call_id="call00001"), tool("snow", call_id="call00002")], "tools": TOOLS},
    "odd argument values": {"messages": [
        user("Search"),
        assistant("", tool_calls=[call("search_docs", {
            "query": "quote \" backslash \\ newline \n tab \t slash / emoji 🙂 nul \u0001 del \u007f",
            "filters": {"language": None, "score": 0.1, "big": 12345678901234567890, "small": 1e-07, "large": 1e22,
                        "one": 1.0, "negative": -3, "precise": 123456.789, "yes": True, "no": False, "list": [1, [2, {}], []],
                        "": "empty key"}})]),
        tool("[]", name="search_docs")], "tools": TOOLS},
    "arguments as strings": {"messages": [
        user("Weather?"), assistant("", tool_calls=[call("get_weather", '{"city": "Rome", "days": 3}')]), tool("rain")],
        "tools": TOOLS},
    "call without arguments": {"messages": [
        user("Time?"), assistant("", tool_calls=[call("now", {})]), tool("12:00", name="now")], "tools": [NO_ARGUMENTS]},
    "tools but no call, several turns": {"messages": [
        system("Be kind."), user("Hi"), assistant("Hello"), user("Weather?"), assistant("Where?"), user("Here")],
        "tools": TOOLS},
    "content parts": {"messages": [
        {"role": "system", "content": [{"type": "text", "text": "Part one."}]},
        {"role": "user", "content": [{"type": "text", "text": "Alpha."}, {"type": "text", "text": "Beta."}]}]},
    "thinking off": {"messages": [user("2+2?")], "variables": {"enable_thinking": False, "thinking": False}},
    "thinking on": {"messages": [system("s"), user("2+2?")], "variables": {"enable_thinking": True, "thinking": True}},
    "reasoning kept apart": {"messages": [
        user("2+2?"), assistant("4", reasoning_content="two and two"), user("3+3?"),
        assistant("6", reasoning_content="three\nand three"), user("and 4+4?")]},
    "reasoning inside content": {"messages": [
        user("2+2?"), assistant("<think>\ntwo and two\n</think>\n\n4"), user("3+3?"), assistant("<think></think>6"),
        user("go on")]},
    "reasoning before a call": {"messages": [
        user("Weather?"),
        assistant("", reasoning_content="I need the tool.", tool_calls=[call("get_weather", {"city": "Rome"})]),
        tool("rain"), assistant("Rain.", reasoning_content="It said rain."), user("Thanks")], "tools": TOOLS},
    "reasoning effort": {"messages": [system("s"), user("2+2?")], "variables": {"reasoning_effort": "high"}},
    "tool results only at the end": {"messages": ONE_CALL + [tool("second result", call_id="call00002")], "tools": TOOLS},
    "two system messages": {"messages": [system("First."), user("q"), system("Second."), user("q2")]},
    "assistant first": {"messages": [assistant("I begin."), user("ok")]},
    "two users in a row": {"messages": [user("one"), user("two")]},
    "unknown role": {"messages": [user("x"), {"role": "narrator", "content": "meanwhile"}]},
    "extra message fields": {"messages": [
        {"role": "user", "content": "hi", "name": "ann", "weight": 1},
        {"role": "assistant", "content": "yo", "refusal": None, "annotations": [], "tool_calls": []}, user("bye")]},
    "documents": {"messages": [user("Summarise")],
                  "variables": {"documents": [{"title": "T1", "text": "One."}, {"title": "T2", "text": "Two."}]}},
    "many turns": {"messages": [system("Loop.")] + [m for i in range(12) for m in (user(f"q{i}"), assistant(f"a{i}"))] +
                   [user("last")]},
}
