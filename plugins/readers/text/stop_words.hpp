// SPDX-License-Identifier: Apache-2.0
// English function words: what a text says least with. STOPWORDS.md says where they come from.
#pragma once

namespace text {

// Separated by blanks, lower case.
inline constexpr const char* kEnglish =
    // articles, determiners, quantifiers
    "a an the this that these those each every either neither both all any some no none such same "
    "other others another much many more most few fewer less least several own enough "
    // personal, possessive and reflexive pronouns
    "i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his "
    "himself she her hers herself it its itself they them their theirs themselves one ones oneself "
    "someone somebody something anyone anybody anything everyone everybody everything nobody "
    "nothing "
    // interrogatives and relatives
    "who whom whose which what when where why how whoever whatever whenever wherever whether "
    "whereas whereby wherein "
    // forms of be, have and do, and modal verbs
    "be am is are was were been being have has had having do does did done doing can could may "
    "might must shall should will would ought cannot "
    // contractions
    "i'm you're he's she's it's we're they're i've you've we've they've i'd you'd he'd she'd we'd "
    "they'd i'll you'll he'll she'll it'll we'll they'll isn't aren't wasn't weren't hasn't "
    "haven't "
    "hadn't doesn't don't didn't can't couldn't mustn't shan't shouldn't won't wouldn't needn't "
    "let's that's there's here's what's who's where's when's why's how's "
    // prepositions
    "about above across after against along amid among amongst around as at before behind below "
    "beneath beside besides between beyond by despite down during except for from in inside into "
    "like near of off on onto out outside over per since than through throughout till to toward "
    "towards under underneath until up upon via with within without "
    // conjunctions and connecting adverbs
    "and but or nor so yet if because although though unless while once also too then thus hence "
    "therefore however moreover furthermore otherwise instead meanwhile nevertheless "
    "nonetheless else "
    // adverbs of place, time and degree
    "here there now again ever never always often sometimes usually already still just only even "
    "very quite rather almost indeed perhaps well further not away back ";

}  // namespace text
