// The words around a consent text, in every language texts come in: whoever reads the text in Arabic finds the answers in Arabic.
// They are apart from the pages' catalogue, because the language of a text is chosen apart from that of the pages.

export const TEXT_LANGUAGES = ["en", "es", "de", "fr", "ar"] as const;
export type TextLanguage = (typeof TEXT_LANGUAGES)[number];

const en = {
  language: "Language of this text",
  recording: "May this consultation be recorded?",
  asked_by: "{name} asks to record. Nothing is recorded until everyone has allowed it.",
  newcomer: "This consultation was being recorded before you came in. Recording is paused until you decide.",
  changed_text: "The text has changed since you decided. Please read it again. Nothing is recorded meanwhile.",
  both: "Sound and picture",
  sound: "Sound only",
  none: "Do not record",
  no_change: "If you say no, nothing changes about your care. You can change your mind at any moment.",
  interpreter: "May an interpreter join?",
  yes: "I agree",
  no: "I do not agree",
  required: "Without your yes there is no video call. The clinic then finds another way to care for you.",
  optional: "You can say no to this and go on.",
  continue: "Continue",
  whom: "For whom do you decide?",
  self: "For myself",
  parent_or_guardian: "For the patient, as parent or guardian",
  legal_representative: "For the patient, as legal representative",
  name: "Your own name",
  relationship: "What you are to the patient",
  relationship_hint: "Such as mother, guardian, attorney",
  fill_in: "Please fill this in",
  loading: "Loading the text…",
  unavailable: "The text could not be loaded, so nothing can be decided yet.",
  retry: "Try again",
  renewed: "The text has changed meanwhile. Please read it again.",
  unsigned: "This browser cannot sign your answer. Please use a newer one, or call the clinic.",
  version: "Text {text}, version {version}",
  sample: "Sample text: the clinic has not adopted it yet",
  declined_title: "There will be no video call",
  declined_text: "You said no, and that is fine. {name} has been told.",
  declined_next: "What happens next",
  declined_call: "The clinic will contact you to find another way, such as a telephone call or a visit.",
  declined_emergency: "If you are in danger now, call your local emergency number.",
  declined_back: "I have changed my mind",
  withdrawn_title: "You have withdrawn your consent",
  withdrawn_text: "The video call is over for you. {name} has been told.",
  receipts: "Your consents",
  receipts_intro: "What you decided with {clinic}. You can withdraw here at any time. This page works until {when}.",
  receipts_gone: "This link does not open",
  receipts_gone_text: "It has run out, or it was copied incompletely. Ask the clinic for your receipts.",
  receipts_none: "You have not decided about anything.",
  agreed: "Agreed",
  not_agreed: "Not agreed",
  withdrawn: "Withdrawn",
  withdraw: "Withdraw",
  withdraw_ask: "Withdraw this consent now?",
  show: "Show receipt",
  paper: "Receipt (PDF)",
  file: "Receipt to check (JSON)",
  keep: "What was recorded is kept, as the clinic's rules say.",
  keep_until_review: "Nobody can watch what was recorded until the clinic's records officer has decided what becomes of it.",
  destroy: "What was recorded is destroyed.",
  done: "Your consent was withdrawn.",
  cancel: "Cancel",
  replaced: "Replaced by a later answer",
} as const;

export type ConsentWords = Readonly<Record<keyof typeof en, string>>;

const es: ConsentWords = {
  language: "Idioma de este texto",
  recording: "¿Se puede grabar esta consulta?",
  asked_by: "{name} desea grabar. No se graba nada hasta que todas las personas lo hayan permitido.",
  newcomer: "Esta consulta se estaba grabando antes de que usted entrara. La grabación está en pausa hasta que usted decida.",
  changed_text: "El texto ha cambiado desde que usted decidió. Léalo otra vez, por favor. Mientras tanto no se graba nada.",
  both: "Sonido e imagen",
  sound: "Solo sonido",
  none: "No grabar",
  no_change: "Si dice que no, nada cambia en su atención. Puede cambiar de opinión en cualquier momento.",
  interpreter: "¿Puede unirse un intérprete?",
  yes: "Estoy de acuerdo",
  no: "No estoy de acuerdo",
  required: "Sin su sí no hay videollamada. La clínica busca entonces otra forma de atenderle.",
  optional: "Puede decir que no a esto y seguir.",
  continue: "Continuar",
  whom: "¿Por quién decide?",
  self: "Por mí",
  parent_or_guardian: "Por el paciente, como madre, padre o tutor",
  legal_representative: "Por el paciente, como representante legal",
  name: "Su propio nombre",
  relationship: "Qué es usted del paciente",
  relationship_hint: "Por ejemplo madre, tutor, apoderado",
  fill_in: "Rellene este campo, por favor",
  loading: "Cargando el texto…",
  unavailable: "El texto no se ha podido cargar, así que todavía no se puede decidir nada.",
  retry: "Intentar de nuevo",
  renewed: "El texto ha cambiado mientras tanto. Léalo otra vez, por favor.",
  unsigned: "Este navegador no puede firmar su respuesta. Use uno más reciente o llame a la clínica.",
  version: "Texto {text}, versión {version}",
  sample: "Texto de muestra: la clínica aún no lo ha adoptado",
  declined_title: "No habrá videollamada",
  declined_text: "Ha dicho que no, y está bien. {name} ya lo sabe.",
  declined_next: "Qué ocurre ahora",
  declined_call: "La clínica se pondrá en contacto con usted para buscar otra forma, como una llamada o una visita.",
  declined_emergency: "Si corre peligro ahora, llame al número de emergencias.",
  declined_back: "He cambiado de opinión",
  withdrawn_title: "Ha retirado su consentimiento",
  withdrawn_text: "La videollamada ha terminado para usted. {name} ya lo sabe.",
  receipts: "Sus consentimientos",
  receipts_intro: "Lo que decidió con {clinic}. Puede retirarlo aquí en cualquier momento. Esta página funciona hasta el {when}.",
  receipts_gone: "Este enlace no se abre",
  receipts_gone_text: "Ha caducado o se copió incompleto. Pida sus recibos a la clínica.",
  receipts_none: "No ha decidido nada.",
  agreed: "De acuerdo",
  not_agreed: "No de acuerdo",
  withdrawn: "Retirado",
  withdraw: "Retirar",
  withdraw_ask: "¿Retirar este consentimiento ahora?",
  show: "Ver recibo",
  paper: "Recibo (PDF)",
  file: "Recibo comprobable (JSON)",
  keep: "Lo grabado se conserva, como dicen las normas de la clínica.",
  keep_until_review: "Nadie puede ver lo grabado hasta que el responsable de archivos de la clínica decida qué ocurre con ello.",
  destroy: "Lo grabado se destruye.",
  done: "Su consentimiento fue retirado.",
  cancel: "Cancelar",
  replaced: "Sustituido por una respuesta posterior",
};

const de: ConsentWords = {
  language: "Sprache dieses Textes",
  recording: "Darf diese Sprechstunde aufgezeichnet werden?",
  asked_by: "{name} möchte aufzeichnen. Nichts wird aufgezeichnet, bevor alle es erlaubt haben.",
  newcomer: "Diese Sprechstunde wurde aufgezeichnet, bevor Sie kamen. Die Aufzeichnung ruht, bis Sie entscheiden.",
  changed_text: "Der Text hat sich geändert, seit Sie entschieden haben. Bitte lesen Sie ihn noch einmal. Solange wird nichts aufgezeichnet.",
  both: "Ton und Bild",
  sound: "Nur Ton",
  none: "Nicht aufzeichnen",
  no_change: "Wenn Sie Nein sagen, ändert sich an Ihrer Behandlung nichts. Sie können Ihre Meinung jederzeit ändern.",
  interpreter: "Darf jemand zum Dolmetschen dazukommen?",
  yes: "Ich bin einverstanden",
  no: "Ich bin nicht einverstanden",
  required: "Ohne Ihr Ja gibt es keinen Videoanruf. Die Klinik findet dann einen anderen Weg, Sie zu behandeln.",
  optional: "Sie können hier Nein sagen und weitermachen.",
  continue: "Weiter",
  whom: "Für wen entscheiden Sie?",
  self: "Für mich selbst",
  parent_or_guardian: "Für die behandelte Person, als Elternteil oder Vormund",
  legal_representative: "Für die behandelte Person, als gesetzliche Vertretung",
  name: "Ihr eigener Name",
  relationship: "Was Sie für die behandelte Person sind",
  relationship_hint: "Zum Beispiel Mutter, Vormund, Betreuer",
  fill_in: "Bitte ausfüllen",
  loading: "Der Text wird geladen…",
  unavailable: "Der Text konnte nicht geladen werden, deshalb kann noch nichts entschieden werden.",
  retry: "Noch einmal versuchen",
  renewed: "Der Text hat sich inzwischen geändert. Bitte lesen Sie ihn noch einmal.",
  unsigned: "Dieser Browser kann Ihre Antwort nicht unterschreiben. Bitte nehmen Sie einen neueren oder rufen Sie die Klinik an.",
  version: "Text {text}, Version {version}",
  sample: "Mustertext: die Klinik hat ihn noch nicht übernommen",
  declined_title: "Es gibt keinen Videoanruf",
  declined_text: "Sie haben Nein gesagt, und das ist in Ordnung. {name} weiß Bescheid.",
  declined_next: "Wie es weitergeht",
  declined_call: "Die Klinik meldet sich bei Ihnen und findet einen anderen Weg, etwa ein Telefonat oder einen Besuch.",
  declined_emergency: "Wenn Sie jetzt in Gefahr sind, wählen Sie den Notruf.",
  declined_back: "Ich habe es mir anders überlegt",
  withdrawn_title: "Sie haben Ihre Einwilligung widerrufen",
  withdrawn_text: "Der Videoanruf ist für Sie beendet. {name} weiß Bescheid.",
  receipts: "Ihre Einwilligungen",
  receipts_intro: "Was Sie bei {clinic} entschieden haben. Hier können Sie jederzeit widerrufen. Diese Seite geht bis {when}.",
  receipts_gone: "Dieser Link öffnet sich nicht",
  receipts_gone_text: "Er ist abgelaufen oder wurde nicht ganz kopiert. Fragen Sie die Klinik nach Ihren Belegen.",
  receipts_none: "Sie haben noch nichts entschieden.",
  agreed: "Einverstanden",
  not_agreed: "Nicht einverstanden",
  withdrawn: "Widerrufen",
  withdraw: "Widerrufen",
  withdraw_ask: "Diese Einwilligung jetzt widerrufen?",
  show: "Beleg ansehen",
  paper: "Beleg (PDF)",
  file: "Prüfbarer Beleg (JSON)",
  keep: "Das Aufgezeichnete wird aufbewahrt, wie die Regeln der Klinik es sagen.",
  keep_until_review: "Niemand kann das Aufgezeichnete ansehen, bis die Aktenverwaltung der Klinik entschieden hat, was daraus wird.",
  destroy: "Das Aufgezeichnete wird vernichtet.",
  done: "Ihre Einwilligung wurde widerrufen.",
  cancel: "Abbrechen",
  replaced: "Durch eine spätere Antwort ersetzt",
};

const fr: ConsentWords = {
  language: "Langue de ce texte",
  recording: "Peut-on enregistrer cette consultation ?",
  asked_by: "{name} souhaite enregistrer. Rien n’est enregistré tant que tout le monde ne l’a pas permis.",
  newcomer: "Cette consultation était enregistrée avant votre arrivée. L’enregistrement attend votre décision.",
  changed_text: "Le texte a changé depuis votre décision. Veuillez le relire. Rien n’est enregistré en attendant.",
  both: "Son et image",
  sound: "Son seul",
  none: "Ne pas enregistrer",
  no_change: "Si vous dites non, rien ne change pour vos soins. Vous pouvez changer d’avis à tout moment.",
  interpreter: "Un interprète peut-il se joindre à l’appel ?",
  yes: "Je suis d’accord",
  no: "Je ne suis pas d’accord",
  required: "Sans votre oui, il n’y a pas d’appel vidéo. La clinique cherche alors une autre façon de vous soigner.",
  optional: "Vous pouvez dire non à ceci et continuer.",
  continue: "Continuer",
  whom: "Pour qui décidez-vous ?",
  self: "Pour moi",
  parent_or_guardian: "Pour le patient, comme parent ou tuteur",
  legal_representative: "Pour le patient, comme représentant légal",
  name: "Votre propre nom",
  relationship: "Ce que vous êtes pour le patient",
  relationship_hint: "Par exemple mère, tuteur, mandataire",
  fill_in: "Veuillez remplir ce champ",
  loading: "Chargement du texte…",
  unavailable: "Le texte n’a pas pu être chargé : rien ne peut encore être décidé.",
  retry: "Réessayer",
  renewed: "Le texte a changé entre-temps. Veuillez le relire.",
  unsigned: "Ce navigateur ne peut pas signer votre réponse. Utilisez-en un plus récent ou appelez la clinique.",
  version: "Texte {text}, version {version}",
  sample: "Texte d’exemple : la clinique ne l’a pas encore adopté",
  declined_title: "Il n’y aura pas d’appel vidéo",
  declined_text: "Vous avez dit non, et c’est votre droit. {name} a été prévenu.",
  declined_next: "La suite",
  declined_call: "La clinique vous contactera pour trouver une autre solution, comme un appel ou une visite.",
  declined_emergency: "Si vous êtes en danger maintenant, appelez le numéro d’urgence.",
  declined_back: "J’ai changé d’avis",
  withdrawn_title: "Vous avez retiré votre consentement",
  withdrawn_text: "L’appel vidéo est terminé pour vous. {name} a été prévenu.",
  receipts: "Vos consentements",
  receipts_intro: "Ce que vous avez décidé avec {clinic}. Vous pouvez retirer ici à tout moment. Cette page fonctionne jusqu’au {when}.",
  receipts_gone: "Ce lien ne s’ouvre pas",
  receipts_gone_text: "Il a expiré ou a été mal copié. Demandez vos reçus à la clinique.",
  receipts_none: "Vous n’avez encore rien décidé.",
  agreed: "D’accord",
  not_agreed: "Pas d’accord",
  withdrawn: "Retiré",
  withdraw: "Retirer",
  withdraw_ask: "Retirer ce consentement maintenant ?",
  show: "Voir le reçu",
  paper: "Reçu (PDF)",
  file: "Reçu vérifiable (JSON)",
  keep: "Ce qui a été enregistré est gardé, selon les règles de la clinique.",
  keep_until_review: "Personne ne peut regarder ce qui a été enregistré avant que le responsable des dossiers de la clinique ait décidé de la suite.",
  destroy: "Ce qui a été enregistré est détruit.",
  done: "Votre consentement a été retiré.",
  cancel: "Annuler",
  replaced: "Remplacé par une réponse plus récente",
};

const ar: ConsentWords = {
  language: "لغة هذا النص",
  recording: "هل يجوز تسجيل هذه الاستشارة؟",
  asked_by: "يرغب {name} في التسجيل. لا يُسجَّل أي شيء قبل أن يسمح الجميع بذلك.",
  newcomer: "كانت هذه الاستشارة تُسجَّل قبل دخولك. التسجيل متوقف مؤقتاً إلى أن تقرر.",
  changed_text: "تغيّر النص منذ قرارك. نرجو أن تقرأه مرة أخرى. لا يُسجَّل شيء في هذه الأثناء.",
  both: "الصوت والصورة",
  sound: "الصوت فقط",
  none: "لا تسجيل",
  no_change: "إذا قلت لا، فلن يتغير شيء في رعايتك. ويمكنك أن تغير رأيك في أي لحظة.",
  interpreter: "هل يجوز أن ينضم مترجم شفوي؟",
  yes: "أوافق",
  no: "لا أوافق",
  required: "من دون موافقتك لا توجد مكالمة فيديو. عندئذ تجد العيادة طريقة أخرى لرعايتك.",
  optional: "يمكنك أن ترفض هذا وتتابع.",
  continue: "متابعة",
  whom: "عمّن تقرر؟",
  self: "عن نفسي",
  parent_or_guardian: "عن المريض، بصفتي أحد والديه أو وصياً عليه",
  legal_representative: "عن المريض، بصفتي ممثله القانوني",
  name: "اسمك أنت",
  relationship: "صلتك بالمريض",
  relationship_hint: "مثل: الأم، الوصي، الوكيل",
  fill_in: "نرجو ملء هذا الحقل",
  loading: "جارٍ تحميل النص…",
  unavailable: "تعذر تحميل النص، ولذلك لا يمكن اتخاذ قرار بعد.",
  retry: "المحاولة مرة أخرى",
  renewed: "تغيّر النص في هذه الأثناء. نرجو أن تقرأه مرة أخرى.",
  unsigned: "لا يستطيع هذا المتصفح توقيع إجابتك. استخدم متصفحاً أحدث أو اتصل بالعيادة.",
  version: "النص {text}، الإصدار {version}",
  sample: "نص نموذجي: لم تعتمده العيادة بعد",
  declined_title: "لن تكون هناك مكالمة فيديو",
  declined_text: "لقد قلت لا، ولا بأس في ذلك. وقد أُبلغ {name} بالأمر.",
  declined_next: "ما الذي يحدث بعد ذلك",
  declined_call: "ستتصل بك العيادة لإيجاد طريقة أخرى، مثل مكالمة هاتفية أو زيارة.",
  declined_emergency: "إذا كنت في خطر الآن، فاتصل برقم الطوارئ.",
  declined_back: "غيّرت رأيي",
  withdrawn_title: "لقد سحبت موافقتك",
  withdrawn_text: "انتهت مكالمة الفيديو بالنسبة إليك. وقد أُبلغ {name} بالأمر.",
  receipts: "موافقاتك",
  receipts_intro: "ما قررته مع {clinic}. يمكنك سحب موافقتك هنا في أي وقت. تعمل هذه الصفحة حتى {when}.",
  receipts_gone: "هذا الرابط لا يفتح",
  receipts_gone_text: "انتهت صلاحيته أو نُسخ ناقصاً. اطلب إيصالاتك من العيادة.",
  receipts_none: "لم تقرر شيئاً بعد.",
  agreed: "موافق",
  not_agreed: "غير موافق",
  withdrawn: "سُحبت الموافقة",
  withdraw: "سحب الموافقة",
  withdraw_ask: "هل تريد سحب هذه الموافقة الآن؟",
  show: "عرض الإيصال",
  paper: "إيصال (PDF)",
  file: "إيصال قابل للتحقق (JSON)",
  keep: "يُحتفظ بما سُجِّل كما تنص قواعد العيادة.",
  keep_until_review: "لا يستطيع أحد مشاهدة ما سُجِّل إلى أن يقرر مسؤول السجلات في العيادة مصيره.",
  destroy: "يُتلف ما سُجِّل.",
  done: "سُحبت موافقتك.",
  cancel: "إلغاء",
  replaced: "حلّت محله إجابة لاحقة",
};

const ALL: Record<TextLanguage, ConsentWords> = { en, es, de, fr, ar };

const OWN_NAMES: Record<TextLanguage, string> = { en: "English", es: "Español", de: "Deutsch", fr: "Français", ar: "العربية" };

function known(language: string): TextLanguage | undefined {
  const base = language.toLowerCase().split("-")[0];
  return TEXT_LANGUAGES.find((one) => one === base);
}

/** The words in the language of a text; English for a language that a clinic added and we have no words for. */
export function wordsIn(language: string): ConsentWords {
  return ALL[known(language) ?? "en"];
}

/** What a language calls itself. */
export function ownName(language: string): string {
  const tag = known(language);
  return tag === undefined ? language : OWN_NAMES[tag];
}

/** Which way a language is written. */
export function direction(language: string): "ltr" | "rtl" {
  return /^(ar|fa|he|ur)\b/i.test(language) ? "rtl" : "ltr";
}

/** Fills `{name}` and the like. */
export function fill(words: string, values: Readonly<Record<string, string>>): string {
  return words.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}

const STORE = "bedside.text-language";

/** The language to show a text in at first: the one chosen before, else the first of the browser's that it is there in, else the page's. */
export function firstLanguage(available: readonly string[], pages: string): string {
  let stored: string | null = null;
  try {
    stored = localStorage.getItem(STORE);
  } catch {
    // storage is switched off: the choice lasts as long as the page
  }
  const wanted = [stored, pages, ...(typeof navigator === "undefined" ? [] : navigator.languages)];
  for (const candidate of wanted) {
    const base = candidate?.toLowerCase().split("-")[0];
    if (base !== undefined && available.includes(base)) return base;
  }
  return "en";
}

/** Keeps the choice for the next text. */
export function rememberLanguage(language: string): void {
  try {
    localStorage.setItem(STORE, language);
  } catch {
    // as above
  }
}
